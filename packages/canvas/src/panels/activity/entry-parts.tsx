// The small parts of an entry that list, table and detail share: its kind, its other side, where it stands.

import {
  Activity,
  ArrowUpRight,
  Brain,
  Circle,
  Clock,
  CornerDownLeft,
  FileText,
  type LucideIcon,
  MessageSquare,
  Radio,
  TriangleAlert,
  Zap,
} from 'lucide-react';
import { getWorkspace } from '../../live/index.ts';
import { DelegationIcon, Icon, Receipt } from '../../ui/index.ts';
import { originOf } from '../chat/origins.ts';
import type { Entry, Kind, Standing } from './activity-rows.ts';

const KINDS: Record<Exclude<Kind, 'delegation'>, { label: string; icon: LucideIcon }> = {
  chat: { label: 'Chat', icon: MessageSquare },
  in: { label: 'A2A in', icon: CornerDownLeft },
  out: { label: 'A2A out', icon: ArrowUpRight },
  task: { label: 'Task', icon: Activity },
  log: { label: 'Log', icon: FileText },
  skill: { label: 'Skill', icon: Zap },
  memory: { label: 'Memory', icon: Brain },
  schedule: { label: 'Schedule', icon: Clock },
  event: { label: 'Event', icon: Radio },
  error: { label: 'Error', icon: TriangleAlert },
  other: { label: 'Other', icon: Circle },
};

export const kindLabel = (kind: Kind): string => (kind === 'delegation' ? 'Delegation' : KINDS[kind].label);

export function KindIcon({ kind }: { kind: Kind }) {
  return kind === 'delegation' ? <DelegationIcon small /> : <Icon of={KINDS[kind].icon} small />;
}

const SHORT_ID = 8;

/** The other side by name; a removed one by the start of its id; null when there is none. */
export function withWhom(entry: Entry): string | null {
  if (entry.isPerson) return 'You';
  const origin = originOf(entry.row);
  if (origin) return origin.name;
  if (!entry.peerId) return null;
  return getWorkspace(entry.peerId)?.name ?? entry.peerId.slice(0, SHORT_ID);
}

export function StandingMark({ standing }: { standing: Standing }) {
  switch (standing.is) {
    case 'receipt':
      return (
        <>
          <Receipt accepted pickedUp={standing.pickedUp} answered={standing.answered} tone="ink" />
          {standing.word}
        </>
      );
    case 'error':
      return (
        <span className="stx" data-status="failed">
          <Icon of={TriangleAlert} small />
          {standing.word}
        </span>
      );
    case 'plain':
      return <span className="muted">{standing.word}</span>;
  }
}
