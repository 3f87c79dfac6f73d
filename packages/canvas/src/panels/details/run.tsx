// The status of a workspace in a sentence, what was reported in full, and what can be done in this status.

import type { LucideIcon } from 'lucide-react';
import { Moon, Pause, Play, Plug, RotateCcw } from 'lucide-react';
import { NO_DETAILS } from '../../canvas/card-facts.ts';
import { listRunActions, type RunAction, run, runWord, useRuns } from '../../commands/lifecycle.ts';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, CodeBlock, ElapsedWords, Icon, statusLabel } from '../../ui/index.ts';
import { RunRefusal } from '../run-refusal.tsx';
import { Section } from './section.tsx';

const ICONS: Record<RunAction, LucideIcon> = { restart: RotateCcw, pause: Pause, resume: Play, hibernate: Moon };

/** What a status means for whoever looks at the buttons. */
const MEANING: Record<string, string> = {
  paused: 'Takes no work until resumed.',
  hibernating: 'Its agent is being stopped; nothing can be done until it sleeps.',
  hibernated: 'A message wakes it.',
  awaiting_agent: 'No agent has made contact yet.',
};

function Sentence({ node }: { node: WorkspaceNode }) {
  return (
    <p className="soft">
      {statusLabel(node.status)} for <ElapsedWords since={node.startingSince ?? node.status_changed_at} />.{' '}
      {MEANING[node.status]}
    </p>
  );
}

/** The whole text; above the tabs and on the card it is cut. */
function Reported({ node }: { node: WorkspaceNode }) {
  const isTrouble = node.status === 'failed' || node.status === 'degraded' || node.status === 'offline';
  const text = node.last_sample_error?.trim();
  if (!isTrouble || (!text && node.status === 'offline')) return null;
  return (
    <CodeBlock label="Reported error" text={text || undefined} className="wrap error-text">
      {text || NO_DETAILS}
    </CodeBlock>
  );
}

export function Run({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const busy = useRuns((runs) => runs.busy[node.id]);
  const actions = listRunActions(node);
  const locked = node.deleting || busy !== undefined || !canWrite;
  const why = canWrite ? undefined : 'The platform is out of reach';
  return (
    <Section title="Status">
      <Sentence node={node} />
      <Reported node={node} />
      {(actions.length > 0 || node.runtime === 'external') && (
        <div className="row run-acts">
          {actions.map((action) => (
            <Button
              key={action}
              size="sm"
              look="line"
              busy={busy === action}
              disabled={locked}
              title={why}
              onClick={() => run(node.id, action, { inPanel: true })}
            >
              <Icon of={ICONS[action]} small /> {runWord(action, node.status)}
            </Button>
          ))}
          {node.runtime === 'external' && (
            <Button size="sm" look="line" onClick={() => openDialog({ kind: 'connect', id: node.id })}>
              <Icon of={Plug} small /> Connect…
            </Button>
          )}
        </div>
      )}
      <RunRefusal node={node} />
    </Section>
  );
}
