// The composer: keeps its draft and its files, grows with them, and says why it is locked when it is.

import { ArrowUp, Paperclip, Square } from 'lucide-react';
import { type ClipboardEvent, type KeyboardEvent, useEffect, useRef } from 'react';
import { runCardAction } from '../../canvas/actions.ts';
import { readMessage } from '../../canvas/card-facts.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Icon, IconButton, Kbd, statusLabel, useSlowNow } from '../../ui/index.ts';
import { AttachmentNotes, DraftChips } from './attachments/draft-chips.tsx';
import { attach, stopUpload, uploadDraft, useDraftFiles } from './attachments/drafts.ts';
import { sendMessage } from './delivery.ts';
import { readDraftText, setDraftText, useDraftText } from './draft-text.ts';

/** Why nothing can be sent now; null when it can. The note above the chat has the fix. */
export function lockReason(node: WorkspaceNode, canWrite: boolean): string | null {
  if (!canWrite) return 'Offline. Your draft is kept.';
  switch (node.status) {
    case 'online':
    case 'degraded':
    case 'hibernated':
      return null;
    case 'awaiting_agent':
      return node.delivery_mode === 'poll' ? null : 'No agent has connected yet.';
    case 'provisioning':
      return `${node.name} is starting.`;
    case 'failed':
      return `${node.name} has failed. Your draft is kept.`;
    case 'hibernating':
      return `${node.name} goes to sleep; then a message wakes it.`;
    default:
      return `${node.name} is ${statusLabel(node.status).toLowerCase()}. Your draft is kept.`;
  }
}

/** The button that lifts the lock, where one does. */
function LockFix({ node }: { node: WorkspaceNode }) {
  const action = readMessage(node, useSlowNow())?.action;
  const { canWrite } = useConnection();
  if (!action || !canWrite) return null;
  return (
    <button type="button" className="link" onClick={() => runCardAction(node.id, action.id)}>
      {action.label}
    </button>
  );
}

export interface ComposerProps {
  node: WorkspaceNode;
  /** Ends the running turn; null when none can be ended. */
  onStop: (() => void) | null;
  lastSent: string;
}

export function Composer({ node, onStop, lastSent }: ComposerProps) {
  const { canWrite } = useConnection();
  const text = useDraftText(node.id);
  const setText = (next: string) => setDraftText(node.id, next);
  const area = useRef<HTMLTextAreaElement>(null);
  const lock = lockReason(node, canWrite);
  const { files, upload } = useDraftFiles(node.id);
  const isUploading = upload !== null;
  const ready = !lock && !isUploading && (text.trim() !== '' || files.length > 0);
  const stop = isUploading ? () => stopUpload(node.id) : onStop;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the box is as high as its text
  useEffect(() => {
    const box = area.current;
    if (!box) return;
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight, 168)}px`;
  }, [text]);

  /** Files first: when they cannot be sent, nothing is, and the draft stays. */
  async function send() {
    if (!ready) return;
    const sent = text;
    const uploaded = files.length > 0 ? await uploadDraft(node.id) : [];
    if (!uploaded) return;
    sendMessage(node.id, sent.trim(), uploaded);
    // What was typed during the upload is the next message.
    const now = readDraftText(node.id);
    setText(now.startsWith(sent) ? now.slice(sent.length) : now);
    area.current?.focus();
  }

  function onPaste(event: ClipboardEvent) {
    const pasted = [...event.clipboardData.files];
    if (pasted.length === 0) return;
    event.preventDefault();
    attach(node.id, pasted, true);
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      void send();
    } else if (event.key === 'ArrowUp' && text === '' && lastSent) {
      event.preventDefault();
      setText(lastSent);
    } else if (event.key === 'Escape' && stop) {
      event.stopPropagation();
      stop();
    }
  }

  return (
    <>
      <AttachmentNotes workspaceId={node.id} onRetry={() => void send()} />
      <div className="composer">
        <DraftChips workspaceId={node.id} />
        <label className="sr" htmlFor={`say-${node.id}`}>
          Message {node.name}
        </label>
        <textarea
          id={`say-${node.id}`}
          ref={area}
          className="txt"
          data-testid="composer"
          rows={1}
          placeholder={`Message ${node.name}`}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
        />
        <div className="bar2">
          <AttachButton workspaceId={node.id} lock={lock} />
          <span className="grow lock-note" role={lock ? 'status' : undefined}>
            {lock && (
              <>
                {lock} <LockFix node={node} />
              </>
            )}
          </span>
          {stop ? (
            <>
              <span className="muted esc-note">
                <Kbd keys="Esc" /> stops
              </span>
              <button
                type="button"
                className="send stop"
                aria-label={isUploading ? 'Stop the upload' : 'Stop'}
                onClick={stop}
              >
                <Icon of={Square} small />
              </button>
            </>
          ) : null}
          {(!stop || (!isUploading && text !== '')) && (
            <Button
              className="send-btn"
              look="primary"
              data-testid="send"
              aria-label="Send"
              disabled={!ready}
              title={lock ?? undefined}
              onClick={() => void send()}
            >
              <Icon of={ArrowUp} />
            </Button>
          )}
        </div>
      </div>
    </>
  );
}

function AttachButton({ workspaceId, lock }: { workspaceId: string; lock: string | null }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <IconButton
        label="Attach files"
        className="attach"
        disabled={lock !== null}
        onClick={() => input.current?.click()}
      >
        <Icon of={Paperclip} />
      </IconButton>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        data-testid="attach-input"
        onChange={({ currentTarget }) => {
          attach(workspaceId, [...(currentTarget.files ?? [])]);
          // The same file may be chosen again after it was removed.
          currentTarget.value = '';
        }}
      />
    </>
  );
}
