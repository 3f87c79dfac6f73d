// `npm run chaos`: messages and delegations through two replicas while replicas, agents, callers, links and the database fail at
// random; reports what was lost, doubled, stuck or out of order. Loopback only, bounded in count and time; a seed repeats what is
// sent and struck, not the machine's timing.

import { parseArgs } from 'node:util';
import { runChaos } from '../packages/server/test/chaos/run.ts';

const HELP = `npm run chaos -- [--messages=1000] [--delegations=200] [--strikes=120] [--seed=N] [--quiet] [--keep] [--json]

  --messages     how many messages are sent, a quarter of them as streams
  --delegations  how many tasks are delegated
  --strikes      how often something fails, at most; no more once everything is acknowledged and done
  --seed         what an earlier run printed, to repeat it
  --quiet        only the report
  --keep         leave everybody's output in its folder; one with findings is always left
  --json         the report as JSON

Exit code 0: nothing lost, nothing injected twice, nothing stuck, nothing out of order.`;

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000' },
    delegations: { type: 'string', default: '200' },
    strikes: { type: 'string', default: '120' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    quiet: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const count = (name: 'messages' | 'delegations' | 'strikes' | 'seed'): number => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 0) return value;
  console.error(`--${name} has to be a whole number, 0 or more`);
  process.exit(2);
};

const seed = count('seed');
const report = await runChaos({
  seed,
  messages: count('messages'),
  delegations: count('delegations'),
  strikes: count('strikes'),
  keep: values.keep,
  say: values.quiet || values.json ? () => {} : console.log,
});
const { lost, doubled, stuck, misordered, untrue } = report.findings;
const total = [lost, doubled, stuck, misordered, untrue].reduce((sum, list) => sum + list.length, 0);
if (values.json) console.log(JSON.stringify(report));
else {
  console.log(
    `seed ${seed}: ${report.messages} messages and ${report.delegations} delegations through ${report.strikes} strikes, ` +
      `settled ${(report.settledMs / 1000).toFixed(1)} s after the last: lost = ${lost.length}, injected twice = ${doubled.length}, ` +
      `stuck = ${stuck.length}, out of order = ${misordered.length}, told wrongly = ${untrue.length}`,
  );
  for (const [name, list] of Object.entries(report.findings)) for (const one of list) console.log(`  ${name}: ${one}`);
  if (report.folder) console.log(`everybody's output: ${report.folder}`);
}
process.exitCode = total === 0 ? 0 : 1;
