// `npm run images`: builds the image of the platform, and that of the runtime under the name of every runtime it can be.
// `--base=<image>` builds on another Node.js 24, `--only=platform` or `--only=runtime` builds one.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
import { listAdapters } from '../../packages/runtime/src/adapters/index.ts';
import { assembleContext, type ImagePart } from './context.ts';

const { values } = parseArgs({
  options: {
    base: { type: 'string' },
    only: { type: 'string' },
    prefix: { type: 'string', default: process.env.MOLECULE_IMAGE_PREFIX ?? 'molecule/workspace-' },
  },
});

function build(part: ImagePart, tags: readonly string[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'molecule-image-'));
  try {
    const count = assembleContext(part, folder);
    process.stderr.write(`${part}: ${count} packages → ${tags.join(', ')}\n`);
    const base = values.base ? ['--build-arg', `BASE=${values.base}`] : [];
    const names = tags.flatMap((tag) => ['--tag', tag]);
    const { status, error } = spawnSync('docker', ['build', ...base, ...names, folder], { stdio: 'inherit' });
    if (error) throw new Error('the docker command cannot be run; install Docker first', { cause: error });
    if (status !== 0) throw new Error(`docker build of ${part} failed; its output is above`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values.only !== 'runtime') build('platform', [`molecule/platform:${manifest.version}`, 'molecule/platform:latest']);
if (values.only !== 'platform')
  build(
    'runtime',
    listAdapters().map((runtime) => `${values.prefix}${runtime}:latest`),
  );
