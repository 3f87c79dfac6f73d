// The Terminal tab: a shell beside the agent (spec chapter 50 §7.6). Says what state it is in and why, and the way back.
// The socket is connection.ts', the drawing screen.ts'.

import { RotateCcw, Search } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { WorkspaceNode } from '../../live/index.ts';
import { Button, ConfirmDialog, Icon, IconButton, Kbd } from '../../ui/index.ts';
import { FindBar } from './find-bar.tsx';
import { findObstacle } from './obstacles.ts';
import { useShell } from './use-shell.ts';
import './terminal.css';

function describe(state: ReturnType<typeof useShell>['state']): string {
  switch (state.phase) {
    case 'connecting':
      return 'Connecting';
    case 'open':
      return 'Connected';
    case 'closed':
      return `Closed: ${state.reason}`;
    case 'unavailable':
      return `Terminal unavailable: ${state.reason}`;
  }
}

function Unavailable({ reason }: { reason: string }) {
  return (
    <div className="tab-empty" data-testid="terminal-unavailable">
      <p>{`Terminal unavailable: ${reason}`}</p>
    </div>
  );
}

function PasteDialog({ text, onPaste, onClose }: { text: string; onPaste(): void; onClose(): void }) {
  const lines = text.trimEnd().split(/\r\n|\r|\n/).length;
  return (
    <ConfirmDialog
      title={`Paste ${lines} lines?`}
      lead="The shell may run each of them at once."
      action="Paste"
      onConfirm={onPaste}
      onClose={onClose}
    >
      <pre className="code term-paste">{text}</pre>
    </ConfirmDialog>
  );
}

function Shell({ node }: { node: WorkspaceNode }) {
  const { place, screen, state, pasted, setPasted, isFinding, setFinding, reconnect } = useShell(node.id);
  const isEnded = state.phase === 'closed' || state.phase === 'unavailable';
  return (
    <div className="term">
      <div className="term-bar">
        <span className="term-state" data-testid="terminal-state" data-phase={state.phase} role="status">
          {describe(state)}
        </span>
        <IconButton label="Find" shortcut="Ctrl Shift F" small onClick={() => setFinding(!isFinding)}>
          <Icon of={Search} small />
        </IconButton>
        {isEnded && (
          <Button size="sm" look="line" onClick={reconnect}>
            <Icon of={RotateCcw} small />
            Reconnect
          </Button>
        )}
      </div>
      {isFinding && (
        <FindBar
          onFind={(text, direction) => screen.current?.find(text, direction) ?? false}
          onClose={() => {
            setFinding(false);
            screen.current?.clearFind();
            screen.current?.focus();
          }}
        />
      )}
      <div className="term-well">
        <div ref={place} className="term-place" data-testid="terminal" />
      </div>
      <p className="term-hint">
        <Kbd keys="Shift Esc" /> leaves the terminal, <Kbd keys="Mod+K" /> opens search.
      </p>
      {pasted !== null && (
        <PasteDialog
          text={pasted}
          onPaste={() => screen.current?.paste(pasted)}
          onClose={() => {
            setPasted(null);
            requestAnimationFrame(() => screen.current?.focus());
          }}
        />
      )}
    </div>
  );
}

export function TerminalTab({ node }: { node: WorkspaceNode }) {
  const obstacle = findObstacle(node);
  const [begun, setBegun] = useState(obstacle === null);
  // A shell that was there stays on the screen with its reason when the agent stops.
  useEffect(() => {
    if (obstacle === null) setBegun(true);
  }, [obstacle]);
  if (!begun && obstacle !== null) return <Unavailable reason={obstacle} />;
  return <Shell node={node} />;
}
