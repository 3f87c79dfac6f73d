// `npm run bench`: one bench after the other, each on a stage of its own that ends with it, also on Ctrl-C.
// A missed aim is told and does not fail the run; a bench that could not measure does.

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { a2a } from './a2a.ts';
import { activity } from './activity.ts';
import { canvas } from './canvas.ts';
import { fanout } from './fanout.ts';
import { heartbeat } from './heartbeat.ts';
import type { Bench, Claim, Settings } from './kit/claim.ts';
import { renderJson, renderTable } from './kit/report.ts';
import { createStage, type Stage } from './kit/stage.ts';
import { STORE_NAMES, type StoreName } from './kit/stores.ts';
import { memory } from './memory.ts';
import { provision } from './provision.ts';
import { queue } from './queue.ts';
import { replicas } from './replicas.ts';
import { soak } from './soak.ts';
import { start } from './start.ts';
import { uploads } from './uploads.ts';

const BENCHES: readonly Bench[] = [
  a2a,
  heartbeat,
  start,
  memory,
  provision,
  replicas,
  queue,
  fanout,
  activity,
  uploads,
  canvas,
];
/** Only when named: it takes 26 minutes by itself. */
const BY_NAME_ONLY: readonly Bench[] = [soak];

const storesApart = [...BENCHES, ...BY_NAME_ONLY].filter((bench) => bench.measuresStoresApart).map(({ name }) => name);

const HELP = `npm run bench -- [--only=a2a,start] [--store=embedded] [--quick] [--json] [--profile=<folder>]

Measures what the README claims, each beside a baseline of the same run.

${[...BENCHES, ...BY_NAME_ONLY].map(({ name, what }) => `  ${name.padEnd(10)} ${what}`).join('\n')}

  --only=…      only these, by name; the soak runs only so
  --store=…     only on postgres or embedded: ${storesApart.join(', ')}
  --quick       two short rounds instead of five: for a look, not for a claim
  --json        one JSON object per claim on stdout
  --profile=…   also writes CPU profiles of the platform into this folder
  --help        this text

Exit code 0 unless a bench could not run; a missed aim is told, not hidden.
`;

function refuse(cause: string): never {
  process.stderr.write(`bench: ${cause}\n\n${HELP}`);
  process.exit(2);
}

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        store: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        profile: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    refuse((error as Error).message);
  }
}

function chooseBenches(only: string | undefined): readonly Bench[] {
  if (only === undefined) return BENCHES;
  const names = only.split(',').map((name) => name.trim());
  const all = [...BENCHES, ...BY_NAME_ONLY];
  const unknown = names.filter((name) => !all.some((bench) => bench.name === name));
  if (unknown.length > 0) refuse(`there is no bench named ${unknown.join(', ')}`);
  return all.filter(({ name }) => names.includes(name));
}

function chooseStores(store: string | undefined, benches: readonly Bench[]): readonly StoreName[] {
  if (store === undefined) return STORE_NAMES;
  const chosen = STORE_NAMES.filter((name) => name === store);
  if (chosen.length === 0) refuse(`there is no store named ${store}`);
  const onBoth = benches.filter((bench) => !bench.measuresStoresApart);
  if (onBoth.length > 0)
    refuse(`${onBoth.map(({ name }) => name).join(', ')}: always on both stores; leave --store out`);
  return chosen;
}

const flags = readFlags();
if (flags.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const chosen = chooseBenches(flags.only);
const stores = chooseStores(flags.store, chosen);
const profileDir = flags.profile === undefined ? null : resolve(flags.profile);
if (profileDir !== null) mkdirSync(profileDir, { recursive: true });
const settings: Settings = {
  quick: flags.quick,
  rounds: flags.quick ? 2 : 5,
  stores,
  profileDir,
  say: (line) => process.stderr.write(`${line}\n`),
};

let stage: Stage | null = null;

/** Stops what was started and ends, whatever state the bench is in. */
async function leave(code: number, why: string): Promise<never> {
  process.stderr.write(`\nbench: ${why}; stopping what was started\n`);
  await stage?.end().catch((error: unknown) => process.stderr.write(`bench: ${error}\n`));
  process.exit(code);
}

process.once('SIGINT', () => leave(130, 'interrupted'));
process.once('SIGTERM', () => leave(143, 'terminated'));
process.once('uncaughtException', (error) => leave(1, `a defect of the bench: ${error.stack}`));

async function runBench(bench: Bench): Promise<Claim[]> {
  stage = createStage();
  try {
    return await bench.run(stage, settings);
  } finally {
    await stage.end();
    stage = null;
  }
}

const claims: Claim[] = [];
const failed: string[] = [];
for (const bench of chosen) {
  settings.say(`${bench.name}: ${bench.what}`);
  try {
    const made = await runBench(bench);
    claims.push(...made);
    if (flags.json) for (const claim of made) process.stdout.write(`${renderJson(claim)}\n`);
  } catch (error) {
    failed.push(bench.name);
    process.stderr.write(`bench: ${bench.name} could not run: ${(error as Error).stack}\n`);
  }
}

if (!flags.json && claims.length > 0) process.stdout.write(`\n${renderTable(claims)}\n`);
const missed = claims.filter(({ met }) => met === false);
settings.say('');
if (missed.length > 0) settings.say(`aims missed: ${missed.map(({ name }) => name).join(', ')}`);
if (failed.length > 0) settings.say(`could not run: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);
