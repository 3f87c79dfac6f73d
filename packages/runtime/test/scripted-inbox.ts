// The inbox of a poll-mode workspace on the scripted platform: rows as a test puts them, listed as the platform lists them.

import { randomUUID } from 'node:crypto';
import { type ScriptedPlatform, startScriptedPlatform } from './scripted-platform.ts';

export interface ScriptedRow {
  id: string;
  source_id: string | null;
  method: string;
  summary: string;
  status: string;
  request_body?: unknown;
  response_body?: unknown;
  accepted_at?: string;
  injected_at?: string;
  answered_at?: string;
  created_at: string;
}

export interface ScriptedInbox {
  platform: ScriptedPlatform;
  rows: ScriptedRow[];
  /** @returns the row's id. */
  add(row: Partial<ScriptedRow>): string;
  /** A message as the proxy stores it. */
  addMessage(text: string, extra?: { row?: Partial<ScriptedRow>; message?: Record<string, unknown> }): string;
  /** Queries of the polls so far. */
  polls(): Record<string, string>[];
  /** What the agent told the person, in order. */
  notices(): { message: string; in_reply_to?: string; attachments?: unknown[] }[];
}

const START = Date.parse('2026-01-01T00:00:00.000Z');
const MOST = 500;

export async function startScriptedInbox(workspaceId: string): Promise<ScriptedInbox> {
  const platform = await startScriptedPlatform(workspaceId);
  const rows: ScriptedRow[] = [];
  const path = `/workspaces/${workspaceId}/activity`;
  platform.on('POST /registry/register', () => ({ body: { status: 'registered', delivery_mode: 'poll' } }));
  // Opens and says nothing: the polls are what is looked at.
  platform.on(`GET /workspaces/${workspaceId}/events/stream`, () => null);
  platform.on(`GET ${path}`, ({ query }) => {
    const limit = Math.min(Number(query.get('limit') ?? 100), MOST);
    const since = query.get('since_id');
    const before = query.get('before_ts');
    if (since === null) {
      // Test rows are of long ago, so that none is young unless its test says so.
      const young = rows.filter((row) => query.get('since_secs') === null || Date.parse(row.created_at) >= START);
      const older = young.filter((row) => before === null || Date.parse(row.created_at) < Date.parse(before));
      return { body: older.toReversed().slice(0, limit) };
    }
    const at = rows.findIndex(({ id }) => id === since);
    if (at === -1) return { status: 410, body: { error: 'cursor not found', code: 'cursor_gone' } };
    for (const row of rows.slice(0, at + 1)) row.injected_at ??= new Date().toISOString();
    return { body: rows.slice(at + 1).slice(0, limit) };
  });

  function add(row: Partial<ScriptedRow>): string {
    const id = randomUUID();
    const created_at = new Date(START + rows.length).toISOString();
    const base = { id, source_id: null, method: 'message/send', summary: '', status: 'ok', created_at };
    rows.push({ ...base, ...(row.method === 'notify' ? {} : { accepted_at: created_at }), ...row });
    return id;
  }

  return {
    platform,
    rows,
    add,
    addMessage(text, { row = {}, message = {} } = {}) {
      const sent = { role: 'user', messageId: randomUUID(), parts: [{ kind: 'text', text }], ...message };
      const request_body = { jsonrpc: '2.0', id: 1, method: 'message/send', params: { message: sent } };
      return add({ request_body, ...row });
    },
    polls: () => platform.callsTo(`GET ${path}`).map(({ query }) => Object.fromEntries(query)),
    notices: () => platform.callsTo(`POST /workspaces/${workspaceId}/notify`).map(({ body }) => body),
  };
}
