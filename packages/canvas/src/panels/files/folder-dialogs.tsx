// What is asked before files are made, moved or deleted. The work itself is folder-work.ts'.

import { useMutation, useQuery } from '@tanstack/react-query';
import { useId, useState } from 'react';
import type { WorkspaceNode } from '../../live/index.ts';
import { Button, ConfirmDialog, Dialog, plural, Skeleton, TextField } from '../../ui/index.ts';
import { listAllFiles, moveFiles, removeFiles } from './folder-work.ts';
import { join, nameOf, refuseName } from './place.ts';

export interface NameDialogProps {
  title: string;
  label: string;
  hint?: string;
  action: string;
  first?: string;
  /** Rejects with what is shown below the field. */
  onName(name: string): Promise<void> | void;
  onClose(): void;
}

function NameDialog({ title, label, hint, action, first = '', onName, onClose }: NameDialogProps) {
  const formId = useId();
  const [name, setName] = useState(first);
  const use = useMutation({
    async mutationFn() {
      const refusal = refuseName(name);
      if (refusal !== null) throw new Error(refusal);
      await onName(name);
    },
    onSuccess: onClose,
  });
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button size="lg" look="line" onClick={onClose}>
            Cancel
          </Button>
          <Button size="lg" look="primary" type="submit" form={formId} busy={use.isPending} disabled={name === first}>
            {action}
          </Button>
        </>
      }
    >
      <form
        id={formId}
        onSubmit={(event) => {
          event.preventDefault();
          if (name !== first && !use.isPending) use.mutate();
        }}
      >
        <TextField
          label={label}
          hint={hint}
          error={use.error?.message ?? null}
          value={name}
          data-autofocus=""
          spellCheck={false}
          onChange={(event) => {
            setName(event.target.value);
            use.reset();
          }}
        />
      </form>
    </Dialog>
  );
}

const below = (folder: string) => `/configs${folder === '' ? '' : `/${folder}`}`;

interface NewProps {
  folder: string;
  /** The whole path. */
  onCreate(path: string): void;
  onClose(): void;
}

export function NewFileDialog({ folder, onCreate, onClose }: NewProps) {
  return (
    <NameDialog
      title="New file"
      label={`Name, below ${below(folder)}`}
      hint="With slashes for folders of its own: notes/today.md"
      action="Create"
      onName={(name) => onCreate(join(folder, name))}
      onClose={onClose}
    />
  );
}

export function NewFolderDialog({ folder, onCreate, onClose }: NewProps) {
  return (
    <NameDialog
      title="New folder"
      label={`Name, below ${below(folder)}`}
      hint="It is kept once a file is in it."
      action="Open it"
      onName={(name) => onCreate(join(folder, name))}
      onClose={onClose}
    />
  );
}

interface MoveProps {
  node: WorkspaceNode;
  /** A file or a folder. */
  path: string;
  onMoved(to: string): void;
  onClose(): void;
}

export function MovePathDialog({ node, path, onMoved, onClose }: MoveProps) {
  return (
    <NameDialog
      title={`Rename ${nameOf(path)}`}
      label="Path below /configs"
      hint="Another folder in it moves it there."
      action="Rename"
      first={path}
      onName={async (to) => {
        if (to.startsWith(`${path}/`)) throw new Error('A folder cannot go into itself');
        await moveFiles(node.id, path, to);
        onMoved(to);
      }}
      onClose={onClose}
    />
  );
}

interface EmptyProps {
  node: WorkspaceNode;
  /** '' = everything below /configs, which is confirmed by typing. */
  folder: string;
  onEmptied(): void;
  onClose(): void;
}

/** The platform deletes files, never folders: what is left is an empty one. */
export function EmptyFolderDialog({ node, folder, onEmptied, onClose }: EmptyProps) {
  const [typed, setTyped] = useState('');
  const isAll = folder === '';
  const files = useQuery({
    queryKey: ['files', node.id, '/configs', folder, 'all'],
    queryFn: () => listAllFiles(node.id, '/configs', folder),
    gcTime: 0,
  });
  const paths = files.data ?? [];
  return (
    <ConfirmDialog
      danger
      title={isAll ? `Clear the configuration of ${node.name}?` : `Delete the files in ${nameOf(folder)}?`}
      lead={`${isAll ? 'Everything in' : 'What is in'} ${below(folder)} is gone at once; the agent reads it no more.`}
      action={files.data ? `Delete ${plural(paths.length, 'file')}` : 'Delete'}
      disabled={paths.length === 0 || (isAll && typed !== node.name)}
      onConfirm={async () => {
        await removeFiles(node.id, paths);
        onEmptied();
      }}
      onClose={onClose}
    >
      {files.isPending && <Skeleton width="60%" />}
      {files.isError && (
        <div className="note bad" role="alert">
          The folder could not be read: {files.error.message}
        </div>
      )}
      {files.data && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled list has to be reached by keyboard
        <ul className="victims scroll" aria-label="Files that are deleted" tabIndex={0}>
          {paths.map((path) => (
            <li key={path} className="row">
              <span className="clip">{path}</span>
            </li>
          ))}
        </ul>
      )}
      {isAll && (
        <TextField
          label={`Type ${node.name} to confirm`}
          autoComplete="off"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      )}
    </ConfirmDialog>
  );
}
