// The composer: keeps its draft, grows with it, and says why it is locked when it is.

import { ArrowUp, Square } from 'lucide-react';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { api } from '../../app/api.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Icon, Kbd, statusLabel } from '../../ui/index.ts';
import { sendMessage } from './conversations.ts';

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

/** Why nothing can be sent now; null when it can. */
export function lockReason(node: WorkspaceNode, canWrite: boolean): { text: string; fix: 'restart' | null } | null {
  if (!canWrite) return { text: 'Offline. Your draft is kept.', fix: null };
  switch (node.status) {
    case 'online':
    case 'degraded':
    case 'hibernated':
      return null;
    case 'awaiting_agent':
      return node.delivery_mode === 'poll' ? null : { text: 'No agent has connected yet.', fix: null };
    case 'provisioning':
      return { text: `${node.name} is starting.`, fix: null };
    case 'paused':
      return { text: `${node.name} is paused.`, fix: null };
    case 'offline':
    case 'failed':
      return {
        text: `${node.name} is ${statusLabel(node.status).toLowerCase()}.`,
        fix: node.runtime === 'external' ? null : 'restart',
      };
    default:
      return { text: statusLabel(node.status), fix: null };
  }
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
              {lock.text}{' '}
              {lock.fix === 'restart' && (
                <button
                  type="button"
                  className="link"
                  onClick={() => void api.restartWorkspace({ params: { id: node.id } })}
                >
                  Restart
                </button>
              )}
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
        <Button
          className="send-btn"
          look="primary"
          data-testid="send"
          aria-label="Send"
          disabled={!ready}
          title={lock?.text}
          onClick={send}
        >
          <Icon of={ArrowUp} />
        </Button>
      </div>
    </div>
  );
}
