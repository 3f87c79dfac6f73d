// A scripted A2A peer at the edge of the process: a plain HTTP server that answers as a test tells it and keeps what it was sent.
// Registers and beats like a real agent, so the platform under test cannot tell the difference.

import { ApiError, createClient } from '@molecule/contract';
import { type Peer, type Responder, startPeer } from './peer.ts';
import type { TestPlatform } from './platform.ts';
import { replyWith } from './responders.ts';
import { waitFor } from './wait.ts';

export interface FakeAgent extends Peer {
  id: string;
  token: string;
  heartbeat(beat?: Record<string, unknown>): Promise<{ status: number; body: Record<string, unknown> }>;
}

export interface FakeAgentOptions {
  name?: string;
  parentId?: string | null;
  /** Extra fields of POST /workspaces. */
  workspace?: Record<string, unknown>;
  card?: Record<string, unknown>;
  deliveryMode?: 'push' | 'poll';
  /** False: the row exists and the peer listens, but nobody registered it. */
  register?: boolean;
  respond?: Responder;
}

/**
 * Creates a workspace on the platform, listens as its agent and registers (push at its loopback address unless told otherwise).
 * The loopback address is stored as the backend's own (`url_source=provisioner`), which the outbound guard lets pass.
 */
export async function startFakeAgent(test: TestPlatform, options: FakeAgentOptions = {}): Promise<FakeAgent> {
  const peer = await startPeer(options.respond ?? replyWith('ok'));
  const { url } = peer;
  const created = await test.admin.createWorkspace({
    body: {
      name: options.name ?? `agent-${Math.random().toString(36).slice(2, 8)}`,
      runtime: 'echo',
      parent_id: options.parentId ?? null,
      ...options.workspace,
    },
  });
  const id = created.id;
  // Without a backend the seat fails at once, and with that its address is cleared: not after it has been set.
  if (!test.platform.provisioning.hasBackend() && created.status === 'provisioning')
    await waitFor('the seat has no backend', async () => {
      const seat = await test.admin.getWorkspace({ params: { id } });
      return seat.status !== 'provisioning';
    });
  const token = await test.db.tx(async (trx) => (await test.platform.auth.tokens.mint(trx, id)).token);
  const mode = options.deliveryMode ?? 'push';
  if (mode === 'push')
    await test.db.kysely
      .updateTable('workspaces')
      .set({ url, url_source: 'provisioner' })
      .where('id', '=', id)
      .execute();
  test.platform.workspaces.forget(id);
  const card = options.card ?? { name: 'fake', protocolVersion: '0.3.0', capabilities: { streaming: true } };
  if (options.register !== false) {
    await createClient({ baseUrl: test.url, token }).register({
      body: { id, agent_card: card, delivery_mode: mode, ...(mode === 'push' ? { url } : {}) },
    });
    // What follows from coming up is over before the test begins.
    await test.platform.events.catchUp();
    await test.platform.messaging.idle();
  }

  return {
    ...peer,
    id,
    token,
    async heartbeat(beat = {}) {
      try {
        const body = await createClient({ baseUrl: test.url, token }).heartbeat({
          body: {
            workspace_id: id,
            error_rate: 0,
            active_tasks: 0,
            uptime_seconds: 1,
            current_task: '',
            ...beat,
          } as never,
        });
        return { status: 200, body };
      } catch (error) {
        if (error instanceof ApiError) return { status: error.status, body: error.body };
        throw error;
      }
    },
  };
}
