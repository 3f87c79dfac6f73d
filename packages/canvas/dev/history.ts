// Activity of the stub platform: the conversation and the log of the design reference. Development only.

import type { ActivityRow } from '@molecule/contract';
import { idOf, seatId } from './fixture.ts';

const MINUTE_MS = 60_000;

interface RowSeed {
  type: string;
  /** Minutes before now. */
  ago: number;
  summary: string;
  method?: string;
  /** Keys of fixture seats; absent for a person or the platform. */
  from?: string;
  to?: string;
  status?: string;
  tookMs?: number;
  error?: string;
  request?: unknown;
  response?: unknown;
  trace?: unknown;
  origin?: string;
}

const message = (text: string, messageId: string) => ({
  jsonrpc: '2.0',
  method: 'message/send',
  params: { message: { role: 'user', messageId, parts: [{ kind: 'text', text }] } },
});

const ANSWER = `**Thursday is realistic if the plan picker is reviewed by Wednesday noon.** One piece is done, one finishes today, one is stuck.

| Piece | Owner | State |
| --- | --- | --- |
| Usage ledger | Backend | 62 %, done 14:00 |
| Plan picker | Frontend | Waiting on its model |
| Release notes | Release | Ready |

Your call: an empty budget means *no limit*, \`0\` blocks every call. I would ship \`null\` as the default and tell Frontend.`;

const TRACE = [
  { tool: 'recall_memory', input: 'billing launch, decisions', output_preview: '3 notes', ms: 120, ok: true },
  { tool: 'read_file', input: 'launch-checklist.md', output_preview: '41 lines', ms: 31, ok: true },
  { tool: 'list_peers', input: '4 reachable', output_preview: '4', ms: 12, ok: true },
];

const delegation = (to: string, task: string, ago: number, rest: Partial<RowSeed>): RowSeed => ({
  type: 'delegation',
  method: 'delegate',
  from: 'eng',
  to,
  ago,
  summary: `Delegated: ${task}`,
  request: { task, delegation_id: `d-${to}-${ago}` },
  ...rest,
});

const result = (to: string, startedAgo: number, ago: number, text: string): RowSeed => ({
  type: 'delegation',
  method: 'delegate_result',
  from: 'eng',
  to,
  ago,
  status: 'completed',
  summary: `Delegation completed: ${text}`,
  response: { text, delegation_id: `d-${to}-${startedAgo}` },
});

const ENGINEERING: RowSeed[] = [
  { type: 'task_update', ago: 0.4, from: 'eng', summary: 'Launch readiness: 2 of 4 answers in' },
  {
    type: 'a2a_send',
    method: 'message/send',
    ago: 2,
    from: 'eng',
    to: 'fe',
    status: 'error',
    tookMs: 60_000,
    summary: 'No answer within 60 s, still waiting',
    error: 'deadline exceeded',
  },
  {
    type: 'a2a_receive',
    method: 'message/send',
    ago: 3,
    tookMs: 710_000,
    summary: 'message/send → Engineering Lead',
    request: message('Can we ship usage billing on Thursday? Tell me what is left and who has it.', 'm-ship'),
    response: { result: { kind: 'message', role: 'agent', parts: [{ kind: 'text', text: ANSWER }] } },
    trace: TRACE,
  },
  result('be', 14, 11.4, '62 %, finishes about 14:00. No blockers.'),
  delegation('be', 'Confirm the ledger backfill and name any blocker.', 14, { status: 'completed', tookMs: 21_400 }),
  delegation('fe', 'Is the plan picker ready for review?', 13.5, { status: 'in_progress' }),
  delegation('re', 'Cut 2.4.0-rc.1 once QA is green', 40, { status: 'queued' }),
  {
    type: 'a2a_receive',
    method: 'message/send',
    ago: 43,
    from: 'chief',
    to: 'eng',
    summary: 'message/send → Engineering Lead',
    request: message('Collect launch readiness for usage billing', 'm-collect'),
    tookMs: 848_000,
  },
  { type: 'agent_log', ago: 62, from: 'eng', summary: 'Loaded 6 skills, 4 peers, 31 memories' },
  {
    type: 'a2a_receive',
    method: 'message/send',
    ago: 71,
    tookMs: 6_100,
    summary: 'message/send → Engineering Lead',
    request: message('Move the review to Wednesday.', 'm-move'),
    response: {
      result: { kind: 'message', role: 'agent', parts: [{ kind: 'text', text: 'Moved. Everybody is told.' }] },
    },
  },
  {
    type: 'a2a_receive',
    method: 'message/send',
    ago: 128,
    from: 'gro',
    to: 'eng',
    summary: 'message/send → Engineering Lead',
    request: message('Which plan names are final?', 'm-names'),
    response: { result: { kind: 'message', parts: [{ kind: 'text', text: 'Starter, Team and Scale.' }] } },
    tookMs: 11_800,
  },
  delegation('gro', 'Final plan names for the picker', 129, { status: 'completed', tookMs: 65_000 }),
  { type: 'error', ago: 300, from: 'eng', status: 'error', summary: 'Model refused a call', error: '529 overloaded' },
];

const SEEDS: Record<string, RowSeed[]> = { [idOf('eng')]: ENGINEERING };

function toRow(workspaceId: string, seed: RowSeed, index: number): ActivityRow {
  const at = new Date(Date.now() - seed.ago * MINUTE_MS).toISOString();
  const fields = {
    id: seatId(20_000 + index),
    workspace_id: workspaceId,
    activity_type: seed.type,
    source_id: seed.from ? idOf(seed.from) : null,
    target_id: seed.to ? idOf(seed.to) : null,
    method: seed.method ?? null,
    summary: seed.summary,
    request_body: seed.request,
    response_body: seed.response,
    tool_trace: seed.trace,
    duration_ms: seed.tookMs ?? null,
    status: seed.status ?? 'ok',
    error_detail: seed.error ?? null,
    created_at: at,
  };
  return JSON.parse(JSON.stringify(fields)) as ActivityRow;
}

/** Newest first, by the filters the canvas uses. */
export function listHistory(workspaceId: string, query: URLSearchParams): ActivityRow[] {
  const seconds = Number(query.get('since_secs') ?? Number.POSITIVE_INFINITY);
  const peer = query.get('peer_id');
  return (SEEDS[workspaceId] ?? [])
    .map((seed, index) => toRow(workspaceId, seed, index))
    .filter(
      (row) =>
        (!query.get('type') || row.activity_type === query.get('type')) &&
        (query.get('source') !== 'canvas' || row.source_id === null) &&
        (query.get('source') !== 'agent' || row.source_id !== null) &&
        (!peer || row.source_id === peer || row.target_id === peer) &&
        Date.now() - Date.parse(row.created_at) < seconds * 1000,
    )
    .sort((a, b) => b.created_at.localeCompare(a.created_at));
}
