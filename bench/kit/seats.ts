// Registered seats over the wire, as agents in poll mode do it: they need no process and no address.

import type { LoadRequest } from './load.ts';
import type { PlatformProcess } from './platform.ts';

export interface Seat {
  id: string;
  token: string;
}

const AT_ONCE = 8;

async function registerSeat(platform: PlatformProcess, name: string): Promise<Seat> {
  const { id, connection } = await platform.admin.createWorkspace({ body: { name, external: true } });
  if (!connection) throw new Error('an external seat came without its token');
  await platform.client(connection.auth_token).register({
    body: {
      id,
      delivery_mode: 'poll',
      agent_card: { name, protocolVersion: '0.3.0', capabilities: { streaming: true } },
    },
  });
  return { id, token: connection.auth_token };
}

export async function registerSeats(platform: PlatformProcess, count: number, prefix = 'seat'): Promise<Seat[]> {
  const seats: Seat[] = [];
  let next = 0;
  async function work(): Promise<void> {
    while (next < count) {
      const index = next;
      next += 1;
      seats[index] = await registerSeat(platform, `${prefix} ${index + 1}`);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return seats;
}

/** One beat of each seat, as the runtime of an idle agent sends it. */
export function beatRequests(seats: readonly Seat[]): LoadRequest[] {
  return seats.map(({ id, token }) => ({
    method: 'POST',
    path: '/registry/heartbeat',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({
      workspace_id: id,
      error_rate: 0,
      sample_error: '',
      active_tasks: 0,
      current_task: '',
      uptime_seconds: 3_600,
      runtime_metadata: { capabilities: { heartbeat: false, scheduler: false, session: false, status_mgmt: false } },
      active_messages: [],
      active_delegations: [],
      runtime_version: '0.1.0',
    }),
  }));
}
