// The composer: keeps its draft, grows with it, and says why it is locked when it is.

import { ArrowUp, Square } from 'lucide-react';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { runCardAction } from '../../canvas/actions.ts';
import { readMessage } from '../../canvas/card-facts.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Icon, Kbd, statusLabel, useSlowNow } from '../../ui/index.ts';
import { sendMessage } from './delivery.ts';

const draftKey = (id: string) => `molecule.draft.${id}`;

function readDraft(id: string): string {
  try {
    return sessionStorage.getItem(draftKey(id)) ?? '';
  } catch {
    // A refused storage: the draft then lives as long as the page.
    return '';
  }
}

function writeDraft(id: string, text: string): void {
  try {
    if (text) sessionStorage.setItem(draftKey(id), text);
    else sessionStorage.removeItem(draftKey(id));
  } catch {
    // As above.
  }
}

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
  const [text, setText] = useState(() => readDraft(node.id));
  const area = useRef<HTMLTextAreaElement>(null);
  const lock = lockReason(node, canWrite);
  const ready = !lock && text.trim() !== '';

  useEffect(() => {
    writeDraft(node.id, text);
    const box = area.current;
    if (!box) return;
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight, 168)}px`;
  }, [node.id, text]);

  function send() {
    if (!ready) return;
    sendMessage(node.id, text.trim());
    setText('');
    area.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && text === '' && lastSent) {
      event.preventDefault();
      setText(lastSent);
    } else if (event.key === 'Escape' && onStop) {
      event.stopPropagation();
      onStop();
    }
  }

  return (
    <div className="composer">
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
      />
      <div className="bar2">
        <span className="grow lock-note" role={lock ? 'status' : undefined}>
          {lock && (
            <>
              {lock} <LockFix node={node} />
            </>
          )}
        </span>
        {onStop ? (
          <>
            <span className="muted esc-note">
              <Kbd keys="Esc" /> stops
            </span>
            <button type="button" className="send stop" aria-label="Stop" onClick={onStop}>
              <Icon of={Square} small />
            </button>
          </>
        ) : null}
        {(!onStop || text !== '') && (
          <Button
            className="send-btn"
            look="primary"
            data-testid="send"
            aria-label="Send"
            disabled={!ready}
            title={lock ?? undefined}
            onClick={send}
          >
            <Icon of={ArrowUp} />
          </Button>
        )}
      </div>
    </div>
  );
}
