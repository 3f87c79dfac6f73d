// The background work of chat files: staged ones that were acknowledged or never fetched.

import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import { KEPT_ACKED_SECONDS, type UploadStorage } from './storage.ts';

export function createUploadLoop(storage: UploadStorage, { uploadsSwept }: Metrics): Loop {
  for (const outcome of ['acked', 'expired', 'error'] as const) uploadsSwept.inc({ outcome }, 0);
  return {
    name: 'pending-uploads',
    why: 'Files that agents have fetched, or never fetch, would fill the datastore.',
    everyMs: 300_000,
    timeoutMs: 60_000,
    runs: 'one-replica',
    async run() {
      try {
        const { acked, expired } = await storage.sweep(KEPT_ACKED_SECONDS);
        uploadsSwept.inc({ outcome: 'acked' }, acked);
        uploadsSwept.inc({ outcome: 'expired' }, expired);
        return { acked, expired };
      } catch (error) {
        uploadsSwept.inc({ outcome: 'error' });
        throw error;
      }
    },
  };
}
