// The bench's side of the load generator process. A round with failed answers measures nothing, so it ends the bench.

import type { LoadJob, LoadRequest, LoadResult } from '../peers/load.ts';
import type { Stage } from './stage.ts';

export type { LoadJob, LoadRequest, LoadResult };

export interface LoadGenerator {
  /** @throws when a request was not answered with success: refused, failed or lost. */
  run(job: LoadJob): Promise<LoadResult>;
}

const LATE_MS = 30_000;

export async function startLoadGenerator(stage: Stage): Promise<LoadGenerator> {
  const peer = await stage.peer('load');
  return {
    async run(job) {
      const result = await peer.ask<LoadResult>(job, job.seconds * 1000 + LATE_MS);
      if (result.failed > 0 || result.answered === 0)
        throw new Error(
          `${job.url}: ${result.failed} failed, ${result.answered} answered; first: ${result.firstFailure}`,
        );
      return result;
    },
  };
}
