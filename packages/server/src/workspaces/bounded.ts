// Asking others for many workspaces at once, each within a limit, so that one that hangs holds nobody up.
// Says for which it failed; what that means is the caller's business.

import type { Logger } from '../platform/log.ts';

const LIMIT_MS = 30_000;

async function withinLimit(work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  AbortSignal.timeout(LIMIT_MS).addEventListener('abort', () =>
    late.reject(new Error(`it did not end within ${LIMIT_MS / 1000} seconds`)),
  );
  await Promise.race([work, late.promise]);
}

/** All at the same time. @returns the ids for which it failed or took longer than 30 s; each is logged as `complaint`. */
export async function findFailing(
  ids: readonly string[],
  work: (id: string) => Promise<void>,
  log: Logger,
  complaint: string,
): Promise<string[]> {
  const failed = await Promise.all(
    ids.map(async (id) => {
      try {
        await withinLimit(work(id));
        return [];
      } catch (error) {
        log.error({ err: error, workspace_id: id }, complaint);
        return [id];
      }
    }),
  );
  return failed.flat();
}
