// What the frequent statements read, also while nobody has counted the rows of a table: the store keeps a plan until somebody does, so
// one that is cheap for an empty table only would make each message dearer than the one before.

import { randomUUID } from 'node:crypto';
import { openTestDatabase, type TestDatabase } from '@molecule/testkit';
import type { Kysely, KyselyPlugin, RootOperationNode } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tables } from '../platform/db/index.ts';
import type { Attempt } from './call.ts';
import { insertMessages, MOST_DEPTH } from './intake/store.ts';
import { listHeardOf } from './repeats/store.ts';
import { claimNext, selectClaimable } from './store.ts';
import { appendFrames } from './streams/store.ts';

const LIMIT_PER_CALLER = 1_000;
const WAITING = 100_000;
const CALLER = '00000000-0000-4000-8000-000000000003';
const NOTHING_KNOWN = { over: 0, answered: [] };

let db: TestDatabase;
let seat: string;

beforeAll(async () => {
  db = await openTestDatabase();
  const { rows } = await db.pool.query<{ id: string }>(
    `insert into workspaces (name, runtime) values ('seat', 'external') returning id`,
  );
  seat = rows[0]?.id as string;
});
afterAll(() => db.close());

type Run = (kysely: Kysely<Tables>) => Promise<unknown>;

interface Step {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  Plans?: Step[];
}

const stepsOf = (step: Step): Step[] => [step, ...(step.Plans ?? []).flatMap(stepsOf)];

async function explain({ sql, parameters }: { sql: string; parameters: readonly unknown[] }, options: string) {
  const { rows } = await db.pool.query<{ 'QUERY PLAN': { Plan: Step }[] }>(
    `explain (${options}, format json) ${sql.replace(/\/\*.*?\*\//, '')}`,
    [...parameters],
  );
  return stepsOf(rows[0]?.['QUERY PLAN'][0]?.Plan as Step);
}

/** The one statement of `run`, which is executed, too. */
async function statementOf(run: Run) {
  const nodes: RootOperationNode[] = [];
  const recorder: KyselyPlugin = {
    transformQuery({ node }) {
      nodes.push(node);
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  await run(db.kysely.withPlugin(recorder));
  const [node, ...others] = nodes;
  if (!node || others.length > 0) throw new Error(`${nodes.length} statements instead of one`);
  return db.kysely.getExecutor().compileQuery(node, { queryId: randomUUID() });
}

/** How `run` reads a table: indexes by their names, anything else by its kind. */
async function readsOf(table: string, run: Run): Promise<string[]> {
  const steps = await explain(await statementOf(run), 'costs off');
  const reads = steps.flatMap((step) => {
    if (step['Node Type'] === 'Bitmap Index Scan') return `bitmap of ${step['Index Name']}`;
    if (step['Index Name']?.startsWith(table)) return step['Index Name'];
    return step['Relation Name'] === table && step['Node Type'] === 'Seq Scan' ? 'Seq Scan' : [];
  });
  return [...new Set(reads)].sort();
}

const accept = (kysely: Kysely<Tables>) => {
  const message = {
    id: randomUUID(),
    workspaceId: seat,
    callerId: CALLER,
    origin: null,
    callerKey: CALLER,
    lane: randomUUID(),
    body: {},
    bodyHash: Buffer.alloc(32),
    method: 'message/send',
    messageId: randomUUID(),
    expiresInSeconds: null,
  };
  return insertMessages(kysely, [message], LIMIT_PER_CALLER);
};

describe('while next to nothing is stored', () => {
  it('20.115 accepting a message reads the places of its caller and its lane', async () => {
    expect(await readsOf('a2a_queue', accept)).toEqual(
      ['active', 'caller', 'lane', 'round'].map((name) => `a2a_queue_${name}_idx`),
    );
  });

  it('20.115 handing one out reads the index of the order', async () => {
    const reads = await readsOf('a2a_queue', (kysely) => claimNext(kysely, seat, 'room', NOTHING_KNOWN));
    expect(reads).toContain('a2a_queue_claim_idx');
    expect(reads).not.toContain('Seq Scan');
  });

  it('20.98 whether a message is a repeat is looked up by its id', async () => {
    const attempt = { target: { id: seat }, normalized: { messageId: 'm-1' } } as Attempt;
    const reads = await readsOf('activity_logs', (kysely) => listHeardOf(kysely, [attempt]));
    expect(reads).toEqual(['activity_logs_message_idx']);
  });

  it('20.123 a frame is stored without a look at other streams', async () => {
    const frames = [{ seq: 1, frame: 'data: {}', upto: 8 }];
    const held = { streamId: randomUUID(), token: randomUUID(), opening: null, frames };
    const reads = await readsOf('a2a_streams', (kysely) => appendFrames(kysely, [held]));
    expect(reads).toContain('a2a_streams_pkey');
    for (const other of ['a2a_streams_lease_idx', 'Seq Scan']) expect(reads).not.toContain(other);
  });
});

// Last: what it stores stays.
describe('20.115 while a hundred thousand wait for one seat', () => {
  beforeAll(async () => {
    for (let from = 1; from <= WAITING; from += WAITING / 20)
      await db.pool.query(
        `insert into a2a_queue (workspace_id, caller_id, body, method, round, behind)
         select $1, ('00000000-0000-4000-8000-' || lpad((n % 10)::text, 12, '0'))::uuid, '{}', 'message/send', n / 10, n % 3 = 1
         from generate_series($2::int, $3::int) n`,
        [seat, from, from + WAITING / 20 - 1],
      );
  });

  /** Rows read of the queue by each step. */
  const rowsRead = (steps: Step[]): number[] =>
    steps
      .filter((step) => step['Index Name']?.startsWith('a2a_queue') || step['Relation Name'] === 'a2a_queue')
      .map((step) => (step['Actual Rows'] ?? 0) * (step['Actual Loops'] ?? 0));

  describe.each([
    ['before its rows are counted', 'select 1'],
    ['after', 'analyze a2a_queue'],
  ])('%s', (_when, first) => {
    beforeAll(async () => {
      await db.pool.query(first);
      await db.pool.query('update workspaces set active_tasks = 0, max_concurrent_tasks = 2 where id = $1', [seat]);
    });

    it('the next one is read from the beginning of the order', async () => {
      const steps = await explain(selectClaimable(seat, 'room', NOTHING_KNOWN).compile(db.kysely), 'analyze');
      expect(steps.map((step) => step['Index Name'])).toContain('a2a_queue_claim_idx');
      for (const rows of rowsRead(steps)) expect(rows).toBeLessThanOrEqual(1);
    });

    it('none is read where there is no room', async () => {
      await db.pool.query('update workspaces set active_tasks = max_concurrent_tasks where id = $1', [seat]);
      const steps = await explain(selectClaimable(seat, 'room', NOTHING_KNOWN).compile(db.kysely), 'analyze');
      for (const rows of rowsRead(steps)) expect(rows).toBeLessThanOrEqual(1);
    });

    it('another one is refused without a look at more than its caller may have', async () => {
      const steps = await explain(await statementOf(accept), 'analyze');
      for (const rows of rowsRead(steps)) expect(rows).toBeLessThanOrEqual(Math.max(LIMIT_PER_CALLER, MOST_DEPTH));
    });
  });
});
