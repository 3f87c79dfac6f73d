// `npm run faults`: kills platform, agents and database, and lets calls to the backend fail, at random while seats are created,
// restarted, paused and deleted, and audits what is left. Loopback only, bounded in count and time; a seed repeats what is asked and struck, not the machine's timing.

import { parseArgs } from 'node:util';
import { FAULT_BACKENDS, runFaults } from '../packages/server/test/faults/run.ts';

const HELP = `npm run faults -- [--backend=process] [--faults=200] [--seats=30] [--seed=N] [--quiet]

  --backend what runs the agents: ${FAULT_BACKENDS.join(' or ')}
  --faults  how often something is killed, hangs or fails
  --seats   how many seats are kept alive meanwhile
  --seed    what an earlier run printed, to repeat it
  --quiet   only the report

Exit code 0: rows, workloads and tokens agree, and nothing is stuck.`;

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'process' },
    faults: { type: 'string', default: '200' },
    seats: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    quiet: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const count = (name: 'faults' | 'seats' | 'seed', least: number): number => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  console.error(`--${name} has to be a whole number of at least ${least}`);
  process.exit(2);
};

const backend = FAULT_BACKENDS.find((name) => name === values.backend);
if (!backend) {
  console.error(`--backend has to be ${FAULT_BACKENDS.join(' or ')}`);
  process.exit(2);
}

const report = await runFaults({
  backend,
  seed: count('seed', 0),
  faults: count('faults', 1),
  seats: count('seats', 1),
  say: values.quiet ? () => {} : console.log,
});
console.log(
  `${backend}, seed ${report.seed}: ${report.faults} faults, ${report.acknowledged} actions acknowledged, ` +
    `all settled after ${(report.settledMs / 1000).toFixed(1)} s, ${report.problems.length} problems`,
);
for (const problem of report.problems) console.log(`  ${problem}`);
process.exitCode = report.problems.length === 0 ? 0 : 1;
