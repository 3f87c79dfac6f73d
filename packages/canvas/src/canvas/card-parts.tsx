// The parts cards and teams share: header, tags, the one message, the footer facts.

import { useRuns } from '../commands/lifecycle.ts';
import type { WorkspaceNode } from '../live/index.ts';
import { openWhy } from '../panels/why/why-store.ts';
import {
  Button,
  Elapsed,
  formatCents,
  plural,
  RelativeTime,
  StatusGlyph,
  statusLabel,
  TierBadge,
  useSlowNow,
} from '../ui/index.ts';
import { runCardAction } from './actions.ts';
import { type CardMessage, fitSkills, listSkills, readMessage, showRuntime, skillSpace } from './card-facts.ts';

export function CardHeader({ node, below = 0 }: { node: WorkspaceNode; below?: number }) {
  return (
    <div className="card-h">
      <StatusGlyph status={node.status} />
      <span className="card-name clip" title={node.name}>
        {node.name}
      </span>
      {below > 0 && (
        <span className="facts">
          <span>{below} sub</span>
        </span>
      )}
      <TierBadge tier={node.tier} />
    </div>
  );
}

export function CardTags({ node, width }: { node: WorkspaceNode; width: number }) {
  const runtime = showRuntime(node.runtime);
  const { shown, more } = fitSkills(listSkills(node.agent_card), skillSpace(width, runtime));
  return (
    <div className="card-tags">
      <span className={`rt ${node.runtime === 'external' ? 'remote' : ''}`}>{runtime}</span>
      {shown.map((skill) => (
        <span className="sk" key={skill}>
          {skill}
        </span>
      ))}
      {more > 0 && <span className="sk more">+{more}</span>}
    </div>
  );
}

export function useMessage(node: WorkspaceNode): CardMessage | null {
  return readMessage(node, useSlowNow());
}

export function CardSlot({ node, message }: { node: WorkspaceNode; message: CardMessage | null }) {
  const isBusy = useRuns((runs) => runs.busy[node.id] !== undefined);
  if (!message) return null;
  if (message.tone === 'task')
    return (
      <div className="card-task" title={message.full}>
        <i className="beat" />
        <span className="clip">{message.text}</span>
      </div>
    );
  const { action } = message;
  return (
    <div className={`card-msg ${message.tone === 'status' ? '' : message.tone}`}>
      <span className="clip" title={message.full}>
        {message.text}
      </span>
      {action && (
        <Button
          size="xs"
          className="nodrag"
          busy={isBusy}
          onClick={(event) => {
            event.stopPropagation();
            runCardAction(node.id, action.id);
          }}
        >
          {action.label}
        </Button>
      )}
    </div>
  );
}

export function Budget({ node, withLimit = false }: { node: WorkspaceNode; withLimit?: boolean }) {
  const { budget_limit: limit, monthly_spend: spend } = node;
  if (limit === null) return spend > 0 ? <span>{formatCents(spend)}</span> : null;
  const share = limit === 0 ? 100 : Math.min(100, Math.round((spend / limit) * 100));
  const look = share >= 100 ? 'over' : share >= 80 ? 'warn' : '';
  return (
    <span className={`bud ${look}`} title={`${formatCents(spend)} of ${formatCents(limit)} this month`}>
      <i>
        <b style={{ width: `${share}%` }} />
      </i>
      {formatCents(spend)}
      {withLimit && ` of ${formatCents(limit)}`}
    </span>
  );
}

/** The fact beside the status: what is most worth knowing in that status. */
export function StatusFact({ node }: { node: WorkspaceNode }) {
  if (node.status === 'provisioning') return <Elapsed since={node.startingSince ?? node.status_changed_at} />;
  if (node.status === 'hibernated') return <RelativeTime at={node.status_changed_at} ago={false} />;
  return (
    <span title="Active tasks of the most at once">
      {node.active_tasks}/{node.max_concurrent_tasks} tasks
    </span>
  );
}

export function CardFooter({ node }: { node: WorkspaceNode }) {
  return (
    <footer className="card-f">
      <span className="lbl">{statusLabel(node.status)}</span>
      <StatusFact node={node} />
      {node.queue_depth > 0 && (
        <button
          type="button"
          className="btn queue-why nodrag"
          aria-label={`${plural(node.queue_depth, 'message')} waiting for ${node.name}: why?`}
          title={`${plural(node.queue_depth, 'message')} waiting. Why?`}
          onClick={(event) => {
            event.stopPropagation();
            openWhy({ workspaceId: node.id });
          }}
        >
          {node.queue_depth} queued
        </button>
      )}
      <span className="grow" />
      <Budget node={node} />
    </footer>
  );
}

export function cardLabel(node: WorkspaceNode): string {
  const task = node.current_task ? `, ${node.current_task}` : '';
  return `${node.name} workspace — ${statusLabel(node.status)}${task}`;
}
