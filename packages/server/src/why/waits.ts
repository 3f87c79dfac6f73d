// Who waits for whom, and for what: the graph an explanation walks. Owns its reading, a query for each hop and a handful beside;
// what blocks is causes.ts' business.

import {
  type Db,
  type HeldCall,
  type InboxMessage,
  listInboxMessages,
  listOpenFrom,
  listOpenMessages,
  type OpenDelegation,
  type WaitingMessage,
} from './reads.ts';

export const MOST_HOPS = 8;
/** Looked at of what one workspace waits for; an agent with more under way waits for its oldest. */
const MOST_EACH = 20;
/** Workspaces looked at in one hop. */
const MOST_WIDE = 50;

/** Something a workspace or a person waits for an answer to. `queued` and `inbox` are where it stands on its way. */
export interface Wait {
  kind: 'delegation' | 'message';
  /** Null: a person or a part of the platform. */
  from: string | null;
  to: string;
  text: string;
  since: Date;
  ids: {
    queue_id: string | null;
    delegation_id: string | null;
    message_id: string | null;
    activity_id: string | null;
  };
  marks: { accepted_at: Date | null; injected_at: Date | null; answered_at: Date | null };
  delegation: OpenDelegation | null;
  queued: WaitingMessage | null;
  inbox: InboxMessage | null;
}

/** What waits for a workspace: the oldest of it, and how much there is. */
export interface Behind {
  items: Wait[];
  total: number;
  queueDepth: number;
  unread: number;
}

export function fromDelegation(
  row: OpenDelegation,
  queued: WaitingMessage | null = null,
  inbox: InboxMessage | null = null,
): Wait {
  return {
    kind: 'delegation',
    from: row.caller_id,
    to: row.callee_id,
    text: row.text,
    since: row.created_at,
    ids: {
      queue_id: queued?.id ?? null,
      delegation_id: row.delegation_id,
      message_id: row.delegation_id,
      activity_id: inbox?.id ?? null,
    },
    marks: {
      accepted_at: row.created_at,
      injected_at: row.injected_at ?? queued?.injected_at ?? inbox?.injected_at ?? null,
      answered_at: row.answered_at,
    },
    delegation: row,
    queued,
    inbox,
  };
}

export function fromQueue(row: WaitingMessage): Wait {
  return {
    kind: 'message',
    from: row.caller_id,
    to: row.workspace_id,
    text: row.text,
    since: row.enqueued_at,
    ids: { queue_id: row.id, delegation_id: null, message_id: row.message_id, activity_id: null },
    marks: { accepted_at: row.enqueued_at, injected_at: row.injected_at, answered_at: row.answered_at },
    delegation: null,
    queued: row,
    inbox: null,
  };
}

/** Nobody is responsible for it but its caller, so nothing was accepted (ruling R6). */
export function fromHeldCall(row: HeldCall): Wait {
  return {
    kind: 'message',
    from: row.caller_id,
    to: row.workspace_id,
    text: '',
    since: row.started_at,
    ids: { queue_id: null, delegation_id: null, message_id: row.message_id, activity_id: null },
    marks: { accepted_at: null, injected_at: null, answered_at: null },
    delegation: null,
    queued: null,
    inbox: null,
  };
}

export function fromInbox(row: InboxMessage): Wait {
  return {
    kind: 'message',
    from: row.source_id,
    to: row.workspace_id,
    text: row.text,
    since: row.created_at,
    ids: { queue_id: null, delegation_id: null, message_id: row.message_id, activity_id: row.id },
    marks: { accepted_at: row.created_at, injected_at: row.injected_at, answered_at: row.answered_at },
    delegation: null,
    queued: null,
    inbox: row,
  };
}

/** Adds where their messages stand. */
export async function locate(db: Db, rows: readonly OpenDelegation[]): Promise<Wait[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.delegation_id);
  const callees = [...new Set(rows.map((row) => row.callee_id))];
  const [queued, inbox] = await Promise.all([listOpenMessages(db, ids), listInboxMessages(db, callees, ids)]);
  return rows.map((row) => {
    const isOwn = (message: { message_id: string | null; workspace_id: string }) =>
      message.message_id === row.delegation_id && message.workspace_id === row.callee_id;
    return fromDelegation(row, queued.find(isOwn) ?? null, inbox.find(isOwn) ?? null);
  });
}

/** What these workspaces wait for, what those wait for, and so on: by who waits, the oldest first. */
export async function readWaits(db: Db, start: readonly string[]): Promise<Map<string, Wait[]>> {
  const found: OpenDelegation[] = [];
  const seen = new Set<string>();
  let frontier = [...start];
  for (let hop = 0; hop < MOST_HOPS && frontier.length > 0; hop += 1) {
    for (const id of frontier) seen.add(id);
    const rows = await listOpenFrom(db, frontier, MOST_EACH);
    found.push(...rows);
    frontier = [...new Set(rows.map((row) => row.callee_id))].filter((id) => !seen.has(id)).slice(0, MOST_WIDE);
  }
  return Map.groupBy(await locate(db, found), (wait) => wait.from ?? '');
}
