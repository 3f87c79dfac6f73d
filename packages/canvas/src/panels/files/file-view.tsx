// One open file: its text to read and change, or why there is none. A draft is kept until it is saved or given up; a file that was
// changed elsewhere meanwhile is not overwritten unasked.

import { ApiError, type FileRootName } from '@molecule/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../app/api.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, ConfirmDialog, Delayed, formatBytes, Kbd, Skeleton, saveAs, toast } from '../../ui/index.ts';
import { useTabState } from '../tab-state.ts';
import { MovePathDialog } from './folder-dialogs.tsx';
import { isWritable, nameOf } from './place.ts';

interface FileViewProps {
  node: WorkspaceNode;
  root: FileRootName;
  path: string;
  onLeave(): void;
  /** It has another path now. */
  onMoved(to: string): void;
}

/** Null = there is no such file (yet). */
type Stored = { content: string; isText: boolean; size: number } | null;

async function readStored(id: string, root: FileRootName, path: string): Promise<Stored> {
  try {
    const { content, encoding, size } = await api.readFile({ params: { id, path }, query: { root } });
    return { content, isText: encoding === undefined, size };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

class ChangedElsewhereError extends Error {}

const bytesOf = (base64: string) => new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))]);

function useFile({ node, root, path, onLeave }: FileViewProps) {
  const client = useQueryClient();
  const key = ['file', node.id, root, path];
  const stored = useQuery({ queryKey: key, queryFn: () => readStored(node.id, root, path), retry: false });
  /** What was there when the change began, and the text since. */
  const [draft, setDraft] = useTabState<{ base: string | null; text: string } | null>(
    `${node.id}.files.draft.${root}/${path}`,
    null,
  );
  const saved = stored.data?.content ?? null;
  const refresh = () => client.invalidateQueries({ queryKey: ['files', node.id] });
  const save = useMutation({
    async mutationFn(isForced: boolean) {
      const text = draft?.text ?? '';
      const current = await readStored(node.id, root, path);
      const base = draft ? draft.base : saved;
      if (!isForced && (current?.content ?? null) !== base) throw new ChangedElsewhereError();
      await api.writeFile({ params: { id: node.id, path }, body: { content: text } });
      return text;
    },
    onSuccess(text) {
      client.setQueryData(key, { content: text, isText: true, size: new Blob([text]).size } satisfies Stored);
      setDraft(null);
      void refresh();
    },
  });
  return {
    stored,
    save,
    text: draft?.text ?? saved ?? '',
    isChanged: draft !== null ? draft.text !== (draft.base ?? '') || draft.base === null : saved === null,
    change: (text: string) => setDraft({ base: draft ? draft.base : saved, text }),
    giveUp() {
      setDraft(null);
      save.reset();
      void stored.refetch();
    },
    async remove() {
      await api.deleteFile({ params: { id: node.id, path } });
      setDraft(null);
      client.removeQueries({ queryKey: key });
      await refresh();
      toast.success(`Deleted ${nameOf(path)}`);
      onLeave();
    },
  };
}

function Refusal({ error, onForce, onReload }: { error: Error; onForce(): void; onReload(): void }) {
  if (!(error instanceof ChangedElsewhereError)) return <p className="file-error">{`Not saved: ${error.message}`}</p>;
  return (
    <div className="file-error" data-testid="file-conflict">
      <p className="grow">It was changed elsewhere since you opened it.</p>
      <Button size="sm" look="line" onClick={onReload}>
        Take theirs
      </Button>
      <Button size="sm" look="line" onClick={onForce}>
        Keep mine
      </Button>
    </div>
  );
}

function NoText({ path, stored }: { path: string; stored: NonNullable<Stored> }) {
  return (
    <div className="tab-empty">
      <p>{`${nameOf(path)} is no text (${formatBytes(stored.size)}), so there is no preview.`}</p>
      <Button size="sm" look="line" onClick={() => saveAs(nameOf(path), bytesOf(stored.content))}>
        Download
      </Button>
    </div>
  );
}

export function FileView(props: FileViewProps) {
  const { node, root, path, onLeave, onMoved } = props;
  const { stored, save, text, isChanged, change, giveUp, remove } = useFile(props);
  const [isDeleting, setDeleting] = useState(false);
  const [isMoving, setMoving] = useState(false);
  const client = useQueryClient();
  const { canWrite } = useConnection();
  const writable = isWritable(root);
  if (stored.isPending)
    return (
      <Delayed>
        <div className="file-rows">
          <Skeleton width="80%" height={14} />
        </div>
      </Delayed>
    );
  if (stored.isError)
    return (
      <div className="tab-empty" role="alert">
        <p>{`${nameOf(path)} cannot be shown: ${stored.error.message}.`}</p>
        <Button size="sm" look="line" onClick={onLeave}>
          Back to the folder
        </Button>
      </div>
    );
  if (stored.data && !stored.data.isText) return <NoText path={path} stored={stored.data} />;
  const trySave = () => isChanged && canWrite && save.mutate(false);
  return (
    <div className="file-view">
      <textarea
        className="file-text"
        data-testid="file-text"
        aria-label={nameOf(path)}
        spellCheck={false}
        readOnly={!writable}
        value={text}
        onChange={(event) => change(event.target.value)}
        onKeyDown={(event) => {
          if (!(event.metaKey || event.ctrlKey) || event.key.toLowerCase() !== 's') return;
          event.preventDefault();
          if (writable) trySave();
        }}
      />
      {save.isError && <Refusal error={save.error} onForce={() => save.mutate(true)} onReload={giveUp} />}
      {writable && (
        <div className="file-acts">
          <span className="grow muted" role="status" data-testid="file-state">
            {isChanged ? (stored.data === null ? 'New, not saved yet' : 'Not saved yet') : 'Saved'}
          </span>
          {stored.data !== null && (
            <Button look="line" disabled={!canWrite || isChanged} onClick={() => setMoving(true)}>
              Rename…
            </Button>
          )}
          {stored.data !== null && (
            <Button look="danger" disabled={!canWrite} onClick={() => setDeleting(true)}>
              Delete…
            </Button>
          )}
          {isChanged && stored.data !== null && (
            <Button look="line" onClick={giveUp}>
              Discard
            </Button>
          )}
          <Button
            look="primary"
            busy={save.isPending}
            disabled={!isChanged || !canWrite}
            title={canWrite ? undefined : 'The platform is out of reach'}
            onClick={trySave}
          >
            Save <Kbd keys="Mod+S" />
          </Button>
        </div>
      )}
      {isMoving && (
        <MovePathDialog
          node={node}
          path={path}
          onClose={() => setMoving(false)}
          onMoved={(to) => {
            client.removeQueries({ queryKey: ['file', node.id, root, path] });
            void client.invalidateQueries({ queryKey: ['files', node.id] });
            onMoved(to);
          }}
        />
      )}
      {isDeleting && (
        <ConfirmDialog
          title={`Delete ${nameOf(path)}?`}
          lead={`${root}/${path} is gone at once; the agent reads it no more.`}
          action="Delete"
          danger
          onConfirm={remove}
          onClose={() => setDeleting(false)}
        />
      )}
    </div>
  );
}
