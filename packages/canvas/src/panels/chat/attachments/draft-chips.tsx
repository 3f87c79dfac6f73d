// The files of the message being written: chips with their size, how far they have come, and what was refused.

import { FileText, X } from 'lucide-react';
import { useEffect, useMemo } from 'react';
import { Button, formatBytes, Icon, IconButton, useFastNow } from '../../../ui/index.ts';
import { imageTypeOf } from './addresses.ts';
import { clearNotes, type DraftFile, detach, type UploadProblem, useDraftFiles } from './drafts.ts';

/** A picture of what is attached, made by this browser from the file itself. */
function Thumbnail({ file }: { file: File }) {
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return <img className="thumb" src={url} alt="" />;
}

function Chip({ workspaceId, draft, locked }: { workspaceId: string; draft: DraftFile; locked: boolean }) {
  const { file, sent } = draft;
  const percent = sent === null ? 0 : Math.round((sent / Math.max(1, file.size)) * 100);
  return (
    <li className="file draft" data-testid="attachment">
      {imageTypeOf({ name: file.name, mimeType: file.type }) ? <Thumbnail file={file} /> : <Icon of={FileText} small />}
      <span className="clip" title={file.name}>
        {file.name}
      </span>
      <span className="muted num">{sent === null ? formatBytes(file.size) : `${percent} %`}</span>
      {sent === null && (
        <IconButton small label={`Remove ${file.name}`} disabled={locked} onClick={() => detach(workspaceId, draft.id)}>
          <Icon of={X} small />
        </IconButton>
      )}
      {sent !== null && (
        <span className="sent" role="progressbar" aria-label={`${file.name} sent`} aria-valuenow={percent}>
          <i style={{ width: `${percent}%` }} />
        </span>
      )}
    </li>
  );
}

function Problem({ problem, onRetry }: { problem: UploadProblem; onRetry(): void }) {
  const now = Math.max(useFastNow(), Date.now());
  const seconds = problem.retryAt === null ? 0 : Math.max(0, Math.ceil((problem.retryAt - now) / 1000));
  return (
    <div className="note bad chat-note" role="alert" data-testid="upload-problem">
      <span className="grow">{problem.text}</span>
      {problem.mayRetry && (
        <Button size="sm" disabled={seconds > 0} onClick={onRetry}>
          {seconds > 0 ? `Retry in ${seconds} s` : 'Retry'}
        </Button>
      )}
    </div>
  );
}

/** What stands above the composer: why something was not attached or not sent. */
export function AttachmentNotes({ workspaceId, onRetry }: { workspaceId: string; onRetry(): void }) {
  const { refused, problem } = useDraftFiles(workspaceId);
  return (
    <>
      {problem && <Problem problem={problem} onRetry={onRetry} />}
      {refused.length > 0 && (
        <div className="note warn chat-note" role="alert" data-testid="attachments-refused">
          <span className="grow">{refused.join(' ')}</span>
          <IconButton small label="Dismiss" onClick={() => clearNotes(workspaceId)}>
            <Icon of={X} small />
          </IconButton>
        </div>
      )}
    </>
  );
}

export function DraftChips({ workspaceId }: { workspaceId: string }) {
  const { files, upload } = useDraftFiles(workspaceId);
  if (files.length === 0) return null;
  return (
    <ul className="row draft-files" aria-label="Attached">
      {files.map((draft) => (
        <Chip key={draft.id} workspaceId={workspaceId} draft={draft} locked={upload !== null} />
      ))}
    </ul>
  );
}
