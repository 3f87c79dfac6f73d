// Claim (c): how long an installed platform takes from the launch of its process to the first answer of `/health`, and to the
// first answered message of an agent. Beside it: a Node process that does nothing, and PGlite opened by itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Bench, makeClaim, type Settings } from './kit/claim.ts';
import { median } from './kit/figures.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import { endProcess, type Stage, until, within } from './kit/stage.ts';
import { prepareStores, type Store, type Stores } from './kit/stores.ts';

const HISTORY = 50;
const FIRST_ANSWER_LIMIT_MS = 60_000;
const ASK_LIMIT_MS = 30_000;

interface Installation {
  store: Store;
  agentId: string;
}

interface Start {
  healthMs: number;
  answeredMs: number;
}

/** Milliseconds. */
interface Round {
  node: number;
  store: number;
  embedded: Start;
  postgres: Start;
  fresh: number;
}

/** Milliseconds of `node -e ""`. */
async function timeBareNode(): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await within(10_000, 'node -e ""', once(child, 'exit'));
  return performance.now() - startedAt;
}

/** Milliseconds from the launch of a process to its open PGlite; the folder is made by the first call. */
async function timeBareStore(stage: Stage, dir: string): Promise<number> {
  const startedAt = performance.now();
  const { child } = await stage.peer('bare-store', { dir });
  const took = performance.now() - startedAt;
  await endProcess(child);
  return took;
}

/** @returns true when the agent answered; false while it is not there yet. */
async function askAgent(platform: PlatformProcess, agentId: string, text: string): Promise<boolean> {
  const message = {
    kind: 'message',
    role: 'user',
    messageId: crypto.randomUUID(),
    parts: [{ kind: 'text', text }],
  };
  const reply = await platform.admin.raw('POST', `/workspaces/${agentId}/a2a`, {
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'message/send', params: { message } }),
    headers: { 'content-type': 'application/json' },
    timeoutMs: ASK_LIMIT_MS,
  });
  const body = (await reply.json()) as { result?: unknown };
  return reply.status === 200 && body.result !== undefined;
}

/** What a person sees: the card comes online, a message is typed, its answer is there. */
async function waitForAnswer(platform: PlatformProcess, agentId: string): Promise<number> {
  await until(FIRST_ANSWER_LIMIT_MS, 'the first answered message', async () => {
    const { status } = await platform.admin.getWorkspace({ params: { id: agentId } });
    return status === 'online' && (await askAgent(platform, agentId, 'hello')) ? true : null;
  });
  return performance.now() - platform.launchedAt;
}

/** A first start, one scripted agent and some history. @returns the installation and how long its first `/health` took. */
async function install(stage: Stage, settings: Settings, store: Store): Promise<Installation & { freshMs: number }> {
  const platform = await launchPlatform(stage, { store, settings });
  const { id } = await platform.admin.createWorkspace({ body: { name: 'Scripted', runtime: 'echo' } });
  await waitForAnswer(platform, id);
  for (let message = 0; message < HISTORY; message += 1) await askAgent(platform, id, `message ${message}`);
  await platform.stop();
  return { store, agentId: id, freshMs: platform.startedInMs };
}

async function timeStart(stage: Stage, settings: Settings, { store, agentId }: Installation): Promise<Start> {
  const platform = await launchPlatform(stage, { store, settings });
  const answeredMs = await waitForAnswer(platform, agentId);
  await platform.stop();
  return { healthMs: platform.startedInMs, answeredMs };
}

async function timeFreshStart(stage: Stage, settings: Settings, stores: Stores): Promise<number> {
  const platform = await launchPlatform(stage, { store: await stores.embedded(), settings });
  await platform.stop();
  return platform.startedInMs;
}

export const start: Bench = {
  name: 'start',
  what: 'process launch to /health and to the first answered message',
  async run(stage, settings) {
    const stores = await prepareStores(stage);
    const bareDir = join(await stage.folder(), 'db');
    await timeBareStore(stage, bareDir);
    settings.say('start: installing on both stores');
    const embedded = await install(stage, settings, await stores.embedded());
    const postgres = await install(stage, settings, await stores.postgres());
    const rounds: Round[] = [];
    for (let round = 0; round < settings.rounds; round += 1) {
      settings.say(`start: round ${round + 1} of ${settings.rounds}`);
      rounds.push({
        node: await timeBareNode(),
        store: await timeBareStore(stage, bareDir),
        embedded: await timeStart(stage, settings, embedded),
        postgres: await timeStart(stage, settings, postgres),
        fresh: await timeFreshStart(stage, settings, stores),
      });
    }
    const bareStore = {
      name: 'PGlite opened by itself',
      value: median(rounds.map(({ store }) => store)),
      unit: 'ms',
    };
    const bareNode = { name: 'node -e ""', value: median(rounds.map(({ node }) => node)), unit: 'ms' };
    const claim = (name: string, what: string, atMost: number | null, value: number, baseline: typeof bareNode) =>
      makeClaim({
        name,
        what,
        aim: atMost === null ? null : { on: 'value', atMost },
        value,
        unit: 'ms',
        baseline,
        medians: {},
      });
    const of = (store: 'embedded' | 'postgres', figure: 'healthMs' | 'answeredMs') =>
      median(rounds.map((round) => round[store][figure]));
    return [
      claim(
        'start.embedded.health',
        'launch to /health, existing data, embedded',
        1_000,
        of('embedded', 'healthMs'),
        bareStore,
      ),
      claim(
        'start.embedded.answer',
        'launch to the first answered message, embedded',
        3_000,
        of('embedded', 'answeredMs'),
        bareStore,
      ),
      claim(
        'start.postgres.health',
        'launch to /health, existing data, PostgreSQL',
        1_000,
        of('postgres', 'healthMs'),
        bareNode,
      ),
      claim(
        'start.postgres.answer',
        'launch to the first answered message, PostgreSQL',
        3_000,
        of('postgres', 'answeredMs'),
        bareNode,
      ),
      claim(
        'start.embedded.fresh',
        'launch to /health, first start, embedded',
        null,
        median(rounds.map(({ fresh }) => fresh)),
        bareStore,
      ),
    ];
  },
};
