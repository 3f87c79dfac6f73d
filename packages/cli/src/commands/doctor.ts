// `molecule doctor`: checks this machine and the running platform; each finding comes with what to do about it.

import type { Command } from 'commander';
import { type Finding, problem } from '../doctor/finding.ts';
import { checkDataDir, checkDisk, checkNode, checkPort } from '../doctor/machine.ts';
import { checkPlatform } from '../doctor/platform.ts';
import { isOnThisMachine } from '../environment.ts';
import { describeFailure, EXIT } from '../failure.ts';
import { plain, print, printJson } from '../output.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

const MARKS: Record<Finding['level'], string> = { ok: 'ok   ', note: 'note ', problem: 'FIX  ' };

async function examinePlatform({ client, target }: CommandContext): Promise<Finding[]> {
  try {
    return await checkPlatform(client, target);
  } catch (error) {
    const { message, hint, exitCode } = describeFailure(error, target);
    const unreachable = exitCode === EXIT.unreachable;
    const port = unreachable && isOnThisMachine(target) ? [await checkPort(target)] : [];
    return [problem('platform', message, hint), ...port];
  }
}

function describe({ level, check, detail, fix }: Finding, width: number): string {
  const line = `${MARKS[level]} ${check.padEnd(width)}  ${detail}`;
  return plain(fix === '' ? line : `${line}\n      ${' '.repeat(width)}  → ${fix}`);
}

async function examine(context: CommandContext): Promise<void> {
  const { target, json } = context;
  const machine = isOnThisMachine(target) ? [...checkDataDir(target), checkDisk(target)] : [];
  const findings = [checkNode(), ...machine, ...(await examinePlatform(context))];
  const problems = findings.filter(({ level }) => level === 'problem').length;
  if (problems > 0) process.exitCode = EXIT.failed;
  if (json) return printJson({ ok: problems === 0, url: target.url, data_dir: target.dataDir, findings });
  const width = Math.max(...findings.map(({ check }) => check.length));
  print(findings.map((finding) => describe(finding, width)).join('\n'));
  print(problems === 0 ? '\nEverything works.' : `\n${problems === 1 ? 'One thing' : `${problems} things`} to mend.`);
}

export function createDoctorCommand(): Command {
  const command = defineCommand({
    name: 'doctor',
    description: 'check this machine and the running platform, and say what mends what',
    json: 'print one JSON document: {ok, url, data_dir, findings: [{check, level, detail, fix}]}',
    act: examine,
  });
  return addHelp(command, {
    examples: [
      ['molecule doctor', 'this machine and the platform of this folder'],
      [`molecule doctor --json | jq -r '.findings[] | select(.level == "problem") | .fix'`, ''],
    ],
    exitCodes: [
      [0, 'nothing to mend'],
      [1, 'something to mend, a platform that does not answer included'],
      [2, 'wrong usage'],
    ],
  });
}
