// A caller and the agent it calls, and the message that goes between them, for benches of the message path.

import { openDatabase } from '@molecule/server/platform/db/index';
import { createLog } from '@molecule/server/platform/log';
import { startPlatform } from '@molecule/testkit/platform';
import type { LoadJob } from './load.ts';
import type { Seat } from './seats.ts';
import type { Store } from './stores.ts';

/** A message of about 700 bytes, as an agent sends one to its report. */
export const MESSAGE = JSON.stringify({
  jsonrpc: '2.0',
  id: '{{id}}',
  method: 'message/send',
  params: {
    message: {
      kind: 'message',
      role: 'user',
      messageId: '{{id}}',
      parts: [
        { kind: 'text', text: 'Compare the invoices of this quarter with the plan and name what is late. '.repeat(6) },
      ],
    },
    configuration: { blocking: true },
  },
});

export interface Pair {
  caller: Seat;
  target: Seat;
}

export const messageTo = (path: string, token: string): LoadJob['requests'] => [
  {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: MESSAGE,
  },
];

/**
 * A lead and its report, stored before the platform starts: the report's address counts as the process backend's own, which is
 * what every seat of a default installation has. Over the wire an agent may not register a loopback address.
 */
export async function seedPair(store: Store, agentUrl: string): Promise<Pair> {
  const db = await openDatabase({ url: store.url, dataDir: store.dataDir, log: createLog('silent') });
  const test = await startPlatform({ db, dataDir: store.dataDir });
  async function seat(name: string, parent_id: string | null): Promise<Seat> {
    const { id, connection } = await test.admin.createWorkspace({ body: { name, external: true, parent_id } });
    if (!connection) throw new Error('an external seat came without its token');
    return { id, token: connection.auth_token };
  }
  const agent_card = { name: 'bench', protocolVersion: '0.3.0', capabilities: { streaming: true } };
  const caller = await seat('lead', null);
  const target = await seat('report', caller.id);
  await db.kysely
    .updateTable('workspaces')
    .set({ url: agentUrl, url_source: 'provisioner' })
    .where('id', '=', target.id)
    .execute();
  await test.client(caller.token).register({ body: { id: caller.id, agent_card, delivery_mode: 'poll' } });
  await test
    .client(target.token)
    .register({ body: { id: target.id, agent_card, url: agentUrl, delivery_mode: 'push' } });
  await test.stop();
  await db.close();
  return { caller, target };
}
