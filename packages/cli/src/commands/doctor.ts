// `molecule doctor`: checks what a start needs and what a running platform says of itself; each finding with its fix.

import { accessSync, constants, existsSync, mkdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ApiError, type Client } from '@molecule/contract';
import type { Target } from '../environment.ts';
import { formatTable, printJson } from '../output.ts';
import { defineCommand } from './command.ts';

interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  fix: string;
}

const MIN_FREE_BYTES = 1_000_000_000;

function checkNode(): Finding {
  const major = Number(process.versions.node.split('.')[0]);
  return {
    check: 'node',
    ok: major >= 24,
    detail: `Node.js ${process.versions.node}`,
    fix: major >= 24 ? '' : 'start through npm start, which brings its own Node.js 24',
  };
}

function checkDataDir({ dataDir }: Target): Finding {
  try {
    if (existsSync(dataDir)) accessSync(dataDir, constants.W_OK);
    else accessSync(dirname(dataDir), constants.W_OK);
    return { check: 'data directory', ok: true, detail: dataDir, fix: '' };
  } catch {
    return {
      check: 'data directory',
      ok: false,
      detail: `${dataDir} is not writable`,
      fix: `chown it to this user, or set MOLECULE_DATA_DIR`,
    };
  }
}

function checkDisk({ dataDir }: Target): Finding {
  const folder = existsSync(dataDir) ? dataDir : dirname(dataDir);
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  return {
    check: 'free disk',
    ok: free > MIN_FREE_BYTES,
    detail: `${(free / 1e9).toFixed(1)} GB`,
    fix: free > MIN_FREE_BYTES ? '' : 'free at least 1 GB under the data directory',
  };
}

async function checkPlatform(client: Client, target: Target): Promise<Finding[]> {
  try {
    const health = await client.health();
    const findings: Finding[] = [
      {
        check: 'platform',
        ok: health.status === 'ok',
        detail: `${target.url} answers ${health.status}`,
        fix: health.stale ? `stalled: ${health.stale.join(', ')}; see molecule logs and restart` : '',
      },
    ];
    const info = await client.platformInfo();
    const connected = info.model_keys.length > 0;
    findings.push({
      check: 'model',
      ok: true,
      detail: connected ? info.model_keys.join(', ') : 'none connected: agents run scripted',
      fix: connected ? '' : 'optional: save ANTHROPIC_API_KEY or OPENAI_API_KEY in Settings',
    });
    const troubled = (await client.listWorkspaces()).filter((workspace) =>
      ['failed', 'degraded', 'offline'].includes(workspace.status),
    );
    for (const workspace of troubled)
      findings.push({
        check: `workspace ${workspace.name}`,
        ok: false,
        detail: `${workspace.status}: ${workspace.last_sample_error ?? 'no details reported'}`,
        fix: `molecule logs "${workspace.name}"`,
      });
    return findings;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401)
      return [{ check: 'platform', ok: false, detail: 'answers, but refuses the token', fix: 'set ADMIN_TOKEN' }];
    return [{ check: 'platform', ok: false, detail: `nothing answers at ${target.url}`, fix: 'npm start' }];
  }
}

export const doctorCommand = defineCommand(
  'doctor',
  'check this machine and the running platform',
  async ({ client, target, flags }) => {
    if (!existsSync(target.dataDir)) mkdirSync(dirname(target.dataDir), { recursive: true });
    const findings = [checkNode(), checkDataDir(target), checkDisk(target), ...(await checkPlatform(client, target))];
    if (flags.json) printJson({ ok: findings.every((finding) => finding.ok), findings });
    else
      process.stdout.write(
        `${formatTable(
          ['', 'CHECK', 'FOUND', 'FIX'],
          findings.map(({ ok, check, detail, fix }) => [ok ? 'ok' : '!!', check, detail, fix]),
        )}\n`,
      );
    if (findings.some((finding) => !finding.ok)) process.exitCode = 1;
  },
);
