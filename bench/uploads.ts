// What files cost the platform in memory: ten uploads of 50 MB at once, and ten downloads, through a push-mode agent and through
// the staging of a poll-mode one. Peak of the resident memory against the idle process; beside it the bytes that went through.

import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median } from './kit/figures.ts';
import { seedPair } from './kit/pair.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import { residentMb } from './kit/proc.ts';
import { registerSeats } from './kit/seats.ts';
import { pause, type Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const AT_ONCE = 10;
/** Two of them and their headers are just below the 50 MiB a request may have. */
const FILE_BYTES = 26_000_000;
const FILES = 2;
const REQUEST_MB = (FILES * FILE_BYTES) / 1e6;
const SETTLE_SECONDS = 10;
const LOOK_EVERY_MS = 20;
const AIM_MB = 100;
const CHUNK = Buffer.alloc(64 * 1024, 7);
const BOUNDARY = 'bench-boundary';

interface Growth {
  up: number;
  down: number;
}

function* form(): Generator<Buffer> {
  for (let file = 0; file < FILES; file += 1) {
    yield Buffer.from(
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="files"; filename="${file}.bin"\r\ncontent-type: image/png\r\n\r\n`,
    );
    for (let left = FILE_BYTES; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, Math.min(left, CHUNK.length));
    yield Buffer.from('\r\n');
  }
  yield Buffer.from(`--${BOUNDARY}--\r\n`);
}

/** @throws unless it is answered with 200. @returns the text of a JSON answer; other bodies are read away. */
async function call(url: string, token: string, body?: Readable): Promise<string> {
  const outgoing = request(url, {
    method: body ? 'POST' : 'GET',
    headers: {
      authorization: `Bearer ${token}`,
      ...(body ? { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` } : {}),
    },
  });
  const answered = once(outgoing, 'response') as Promise<[import('node:http').IncomingMessage]>;
  if (body) await pipeline(body, outgoing);
  else outgoing.end();
  const [response] = await answered;
  const isJson = response.headers['content-type']?.includes('json');
  let text = '';
  for await (const chunk of response) if (isJson) text += chunk;
  if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode} ${text}`);
  return text;
}

/** Megabytes the process grows by, at most, while all of `work` runs at once. */
async function peakGrowth<T>(pid: number, work: (() => Promise<T>)[]): Promise<{ megabytes: number; results: T[] }> {
  await pause(SETTLE_SECONDS * 1000);
  const idle = residentMb(pid);
  let peak = idle;
  const look = setInterval(() => {
    peak = Math.max(peak, residentMb(pid));
  }, LOOK_EVERY_MS);
  try {
    const results = await Promise.all(work.map((one) => one()));
    return { megabytes: peak - idle, results };
  } finally {
    clearInterval(look);
  }
}

const times = <T>(work: () => Promise<T>) => Array.from({ length: AT_ONCE }, () => work);

async function measurePush(platform: PlatformProcess, id: string): Promise<Growth> {
  const base = `${platform.url}/workspaces/${id}/chat`;
  const up = await peakGrowth(
    platform.pid,
    times(() => call(`${base}/uploads`, platform.adminToken, Readable.from(form()))),
  );
  const down = await peakGrowth(
    platform.pid,
    times(() => call(`${base}/download?path=/workspace/file.bin`, platform.adminToken)),
  );
  return { up: up.megabytes, down: down.megabytes };
}

async function measurePoll(platform: PlatformProcess): Promise<Growth> {
  const [seat] = await registerSeats(platform, 1);
  if (!seat) throw new Error('no seat was registered');
  const base = `${platform.url}/workspaces/${seat.id}`;
  const up = await peakGrowth(
    platform.pid,
    times(() => call(`${base}/chat/uploads`, platform.adminToken, Readable.from(form()))),
  );
  const ids = up.results.flatMap((text) =>
    (JSON.parse(text) as { files: { uri: string }[] }).files.map(({ uri }) => uri.split('/').at(-1) ?? ''),
  );
  const down = await peakGrowth(
    platform.pid,
    ids.map((id) => () => call(`${base}/pending-uploads/${id}/content`, seat.token)),
  );
  return { up: up.megabytes, down: down.megabytes };
}

async function measureStore(stage: Stage, settings: Settings, store: Store, agentUrl: string) {
  const { target } = await seedPair(store, agentUrl);
  const platform = await launchPlatform(stage, { store, settings });
  const push = await measurePush(platform, target.id);
  const poll = await measurePoll(platform);
  await platform.stop();
  return { push, poll };
}

function claimOf(store: Store['name'], mode: 'push' | 'poll', rounds: Growth[]): Claim {
  const of = (way: keyof Growth) => median(rounds.map((round) => round[way]));
  return makeClaim({
    name: `uploads.${store}.${mode}`,
    what: `growth of resident memory during ${AT_ONCE} uploads of ${REQUEST_MB} MB at once, ${mode}-mode agent, ${store}`,
    aim: { on: 'value', atMost: AIM_MB },
    value: of('up'),
    unit: 'MB',
    baseline: { name: 'what went through', value: AT_ONCE * REQUEST_MB, unit: 'MB' },
    medians: { downloads_mb: of('down') },
  });
}

export const uploads: Bench = {
  name: 'uploads',
  what: 'memory of the platform while files go through it',
  measuresStoresApart: true,
  async run(stage, settings) {
    const stores = await prepareStores(stage, settings);
    const agent = await stage.peer('files', { bytes: FILES * FILE_BYTES });
    const agentUrl = String(agent.ready.url);
    const rounds = { postgres: { push: [], poll: [] }, embedded: { push: [], poll: [] } } as Record<
      Store['name'],
      Record<'push' | 'poll', Growth[]>
    >;
    for (let round = 0; round < settings.rounds; round += 1) {
      settings.say(`uploads: round ${round + 1} of ${settings.rounds}`);
      for (const name of settings.stores) {
        const measured = await measureStore(stage, settings, await stores[name](), agentUrl);
        rounds[name].push.push(measured.push);
        rounds[name].poll.push(measured.poll);
      }
    }
    return settings.stores.flatMap((store) =>
      (['push', 'poll'] as const).map((mode) => claimOf(store, mode, rounds[store][mode])),
    );
  },
};
