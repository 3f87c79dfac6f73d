// The three looks of a workspace on the graph: a card, a team with its children inside, a folded team.

import { type NodeProps, useStore } from '@xyflow/react';
import { ChevronRight } from 'lucide-react';
import { type KeyboardEvent, memo } from 'react';
import { select, useLive, useWorkspace, type WorkspaceNode } from '../live/index.ts';
import { Button, ErrorBoundary, Icon, STATUSES_BY_WEIGHT, StatusGlyph, statusLabel, TierBadge } from '../ui/index.ts';
import {
  Budget,
  CardFooter,
  CardHeader,
  CardSlot,
  CardTags,
  cardLabel,
  StatusFact,
  useMessage,
} from './card-parts.tsx';
import { useGraph } from './graph-state.ts';
import { setCollapsed } from './moves.ts';

const FAR_ZOOM = 0.4;
const WIDE_TEAM_PX = 400;

export interface CardData extends Record<string, unknown> {
  depth: number;
  below: number;
  width: number;
  /** The one tab stop of the graph. */
  isTabStop: boolean;
}
type Props = NodeProps & { data: CardData };

const useIsFar = () => useStore((state) => state.transform[2] < FAR_ZOOM);

function useLooks(node: WorkspaceNode, selected: boolean): string {
  const isFiltered = useGraph((state) => state.filter !== null && state.filter !== node.status);
  const isOutside = useGraph(({ chain }) => chain !== null && !chain.steps.some((step) => step.id === node.id));
  const hasChain = useGraph(({ chain }) => chain !== null);
  const isDimmed = isFiltered || isOutside;
  return [selected && !hasChain && 'sel', (isDimmed || node.deleting) && 'dim', node.deleting && 'locked']
    .filter(Boolean)
    .join(' ');
}

/** What tests and styles know a card by. */
const marks = (node: WorkspaceNode) => ({ 'data-testid': `node-${node.id}`, 'data-status': node.status });

/**
 * The card as a button: its name, its place in the tab order, Enter and Space. It lies under what the card shows, because a
 * button may not hold the buttons of the card.
 */
function Hit({ node, selected, isTabStop }: { node: WorkspaceNode; selected: boolean; isTabStop: boolean }) {
  return (
    <button
      type="button"
      className="card-hit"
      data-node={node.id}
      aria-label={cardLabel(node)}
      aria-pressed={selected}
      tabIndex={isTabStop ? 0 : -1}
      onKeyDown={(event: KeyboardEvent) => {
        // On a selected card Enter goes on to the one below; that is the keyboard map's.
        if (selected || (event.key !== ' ' && event.key !== 'Enter')) return;
        if (event.shiftKey || event.metaKey || event.ctrlKey) return;
        event.preventDefault();
        event.stopPropagation();
        select(node.id);
      }}
    />
  );
}

function FarCard({ node }: { node: WorkspaceNode }) {
  return (
    <>
      <StatusGlyph status={node.status} size={20} />
      <span className="clip">{node.name}</span>
    </>
  );
}

function LeafBody({ node, data, selected }: { node: WorkspaceNode; data: CardData; selected: boolean }) {
  const isFar = useIsFar();
  const looks = useLooks(node, selected);
  const message = useMessage(node);
  const hit = <Hit node={node} selected={selected} isTabStop={data.isTabStop} />;
  if (isFar)
    return (
      <article className={`node far ${looks}`} {...marks(node)}>
        {hit}
        <FarCard node={node} />
      </article>
    );
  return (
    <article className={`node card ${message ? 'one' : ''} ${looks}`} {...marks(node)}>
      {hit}
      <i className="bar" />
      <div className="card-body">
        <CardHeader node={node} />
        <p className="card-role">{node.role}</p>
        <CardTags node={node} width={data.width - 24} />
        <CardSlot node={node} message={message} />
      </div>
      <CardFooter node={node} />
    </article>
  );
}

function TeamBody({ node, data, selected }: { node: WorkspaceNode; data: CardData; selected: boolean }) {
  const isFar = useIsFar();
  const looks = useLooks(node, selected);
  const message = useMessage(node);
  // A team of one column has room for its message or its facts; the glyph tells the status in either case.
  const isWide = data.width > WIDE_TEAM_PX;
  return (
    <section className={`node team d${Math.min(data.depth, 1)} ${looks}`} data-status={node.status}>
      <i className="bar" />
      <div className="team-head" {...marks(node)}>
        <Hit node={node} selected={selected} isTabStop={data.isTabStop} />
        {isFar ? (
          <div className="far-name">
            <FarCard node={node} />
          </div>
        ) : (
          <>
            <CardHeader node={node} below={data.below} />
            <p className="card-role">{node.role}</p>
            <CardTags node={node} width={data.width - 32} />
            <div className="team-foot">
              {message ? <CardSlot node={node} message={message} /> : <span className="grow" />}
              {(isWide || !message) && (
                <span className="facts">
                  <span className="lbl">{statusLabel(node.status)}</span>
                  <StatusFact node={node} />
                  {node.queue_depth > 0 && <span>{node.queue_depth} queued</span>}
                  {isWide && <Budget node={node} withLimit />}
                </span>
              )}
            </div>
          </>
        )}
      </div>
    </section>
  );
}

function FoldedBody({ node, data, selected }: { node: WorkspaceNode; data: CardData; selected: boolean }) {
  const looks = useLooks(node, selected);
  const layout = useGraph((state) => state.layout);
  const nodes = useLive((state) => state.model.nodes);
  const children = (layout.byId.get(node.id)?.children ?? []).flatMap((id) => nodes[id] ?? []);
  const weight = (status: string) => {
    const at = (STATUSES_BY_WEIGHT as readonly string[]).indexOf(status);
    return at === -1 ? STATUSES_BY_WEIGHT.length : at;
  };
  const worst = [...children].sort((a, b) => weight(a.status) - weight(b.status))[0];
  const isTrouble = worst !== undefined && worst.status !== 'online';
  return (
    <section className={`node team folded d1 ${looks}`} {...marks(node)} data-status={worst?.status ?? node.status}>
      <Hit node={node} selected={selected} isTabStop={data.isTabStop} />
      <i className="bar" />
      <div className="fold-body">
        <div className="card-h">
          <StatusGlyph status={node.status} />
          <span className="card-name clip">{node.name}</span>
          <TierBadge tier={node.tier} />
        </div>
        <p className={`card-role ${isTrouble ? 'trouble' : ''}`}>
          {isTrouble ? `${worst.name}: ${statusLabel(worst.status).toLowerCase()}` : node.role}
        </p>
        <div className="fold-strip" aria-hidden="true">
          {children.slice(0, 24).map((child) => (
            <i key={child.id} data-status={child.status} />
          ))}
        </div>
        <div className="row facts fold-foot">
          <span>{data.below} hidden</span>
          <span className="grow" />
          <Button
            size="xs"
            className="nodrag"
            onClick={(event) => {
              event.stopPropagation();
              setCollapsed(node.id, false);
            }}
          >
            <Icon of={ChevronRight} small />
            Unfold
          </Button>
        </div>
      </div>
    </section>
  );
}

function withNode(Body: typeof LeafBody) {
  return memo(function GraphNode({ id, data, selected }: Props) {
    const node = useWorkspace(id);
    if (!node) return null;
    return (
      <ErrorBoundary
        title={node.name}
        resetKey={node}
        fallback={() => (
          <article className="node far" data-testid={`node-${id}`} data-status={node.status}>
            <StatusGlyph status={node.status} size={20} />
            <span className="clip">{node.name}</span>
          </article>
        )}
      >
        <Body node={node} data={data} selected={selected} />
      </ErrorBoundary>
    );
  });
}

export const NODE_TYPES = { card: withNode(LeafBody), team: withNode(TeamBody), folded: withNode(FoldedBody) };
