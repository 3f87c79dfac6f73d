// The liveness sweep: seats whose beats stopped become offline (and are restarted) or wait for their owner (chapter 10 §8).

import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Loop } from '../platform/loops.ts';
import type { Workspaces } from '../workspaces/index.ts';
import * as store from './store.ts';

const SILENT_SECONDS = 180;
const BATCH = 100;

export interface LivenessDeps {
  db: Database;
  workspaces: Workspaces;
  clock: Clock;
  /** When this platform began to serve, by the clock: its own outage must not count against the agents. */
  startedAt: Date;
  externalStaleSeconds: number;
  restart(id: string): void;
}

export function createLivenessLoop(deps: LivenessDeps): Loop {
  const { db, workspaces, clock, startedAt, externalStaleSeconds, restart } = deps;

  return {
    name: 'liveness-monitor',
    why: 'A seat whose agent fell silent would be shown online for ever.',
    everyMs: 15_000,
    timeoutMs: 30_000,
    runs: 'one-replica',
    async run() {
      // Nobody can have been silent towards us for longer than we listen. The beats' own age is the database's to tell.
      const listeningSeconds = (clock.now() - startedAt.getTime()) / 1000;
      const silent = await store.listSilent(db.kysely, {
        silentSeconds: listeningSeconds > SILENT_SECONDS ? SILENT_SECONDS : null,
        externalSeconds: listeningSeconds > externalStaleSeconds ? externalStaleSeconds : null,
        limit: BATCH,
      });
      let offline = 0;
      let awaiting = 0;
      for (const { id, runtime } of silent) {
        const external = runtime === 'external';
        const row = await workspaces.transition(external ? 'await_agent' : 'go_offline', id, {
          patch: { current_task: '', active_tasks: 0 },
          guard: store.isSilentFor(external ? externalStaleSeconds : SILENT_SECONDS),
          details: { reason: 'no heartbeat' },
        });
        if (!row) continue;
        if (external) awaiting += 1;
        else {
          offline += 1;
          restart(id);
        }
      }
      return { offline, awaiting };
    },
  };
}
