// What a running platform says of itself: health, loops, store, backend, models, and the workspaces that are in trouble.

import type { Client, WorkspaceView } from '@molecule/contract';
import type { Target } from '../environment.ts';
import { logsCommand } from '../shell.ts';
import { reasonOf } from '../workspaces.ts';
import { type Finding, note, ok, problem } from './finding.ts';

type Info = Awaited<ReturnType<Client['platformInfo']>>;
type Loops = Awaited<ReturnType<Client['liveness']>>['subsystems'];

function checkLoops(loops: Loops): Finding[] {
  const findings = Object.entries(loops).flatMap(([name, loop]) => {
    if (loop.stale) {
      const since = loop.seconds_ago === null ? 'it never ran' : `it last ran ${loop.seconds_ago} s ago`;
      const why = loop.last_error ? `: ${loop.last_error}` : '';
      return [
        problem('loop', `${name} is late, ${since}${why}`, 'restart the platform; if it stays late, its log says why'),
      ];
    }
    return loop.last_error === null
      ? []
      : [note('loop', `${name} failed last time: ${loop.last_error}`, 'it is repeated by itself')];
  });
  return findings.length > 0 ? findings : [ok('loops', `${Object.keys(loops).length} run on time`)];
}

function checkParts({ store, backend, model_keys: keys, dev_hatch: devHatch }: Info): Finding[] {
  return [
    ok('store', store === 'embedded' ? 'embedded database' : 'PostgreSQL'),
    backend === 'none'
      ? note('backend', 'none: agents are started elsewhere', 'MOLECULE_PROVISIONER=process npm start runs them here')
      : ok('backend', backend),
    keys.length > 0
      ? ok('model', keys.join(', '))
      : note(
          'model',
          'no key: the sample team runs scripted',
          'optional: save ANTHROPIC_API_KEY, OPENAI_API_KEY or OLLAMA_BASE_URL in the canvas under Settings',
        ),
    ...(devHatch
      ? [
          problem(
            'access',
            'whoever reaches this port is an administrator',
            'ADMIN_TOKEN=$(openssl rand -hex 32) npm start',
          ),
        ]
      : []),
  ];
}

const TROUBLED = new Set(['failed', 'degraded', 'offline']);
const KEY_NAME = /\b[A-Z][A-Z0-9_]*_(?:API_KEY|TOKEN)\b/;

function checkWorkspaces(workspaces: WorkspaceView[]): Finding[] {
  const troubled = workspaces.filter(({ status }) => TROUBLED.has(status));
  if (troubled.length === 0)
    return [
      workspaces.length === 0
        ? note('workspaces', 'none yet', 'molecule org import sample-team')
        : ok('workspaces', `${workspaces.length}, none in trouble`),
    ];
  return troubled.map((workspace) => {
    const reason = reasonOf(workspace);
    const key = KEY_NAME.exec(reason)?.[0];
    const logs = logsCommand(workspace);
    return problem(
      `workspace ${workspace.name}`,
      `${workspace.status}: ${reason}`,
      key ? `save ${key} in the canvas under Settings; ${logs}` : `${logs}, then restart it in the canvas`,
    );
  });
}

/** @throws ApiError when nothing answers, or the token is refused. */
export async function checkPlatform(client: Client, { url }: Target): Promise<Finding[]> {
  const health = await client.health();
  const version = `${url} answers, version ${health.version}`;
  const late = health.stale ?? [];
  const platform =
    health.status === 'ok'
      ? ok('platform', version)
      : problem('platform', `${version}, degraded: ${late.join(', ')}`, 'see the late loops below');
  const [info, { subsystems }, workspaces] = await Promise.all([
    client.platformInfo(),
    client.liveness(),
    client.listWorkspaces(),
  ]);
  return [platform, ...checkLoops(subsystems), ...checkParts(info), ...checkWorkspaces(workspaces)];
}
