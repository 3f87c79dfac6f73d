// Builds the canvas once before the tests; the platform serves what lies in packages/canvas/dist.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

export default function buildCanvas(): void {
  if (process.env.E2E_SKIP_BUILD) return;
  const built = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'],
    {
      cwd: join(ROOT, 'packages/canvas'),
      stdio: 'inherit',
    },
  );
  if (built.status !== 0) throw new Error('The canvas could not be built');
}
