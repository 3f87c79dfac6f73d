// Entry of every npm script, in JavaScript an old Node (>= 18) can run. Installs what the checkout needs, then hands over
// to the Node 24 that npm installed. Owns installing only; what is started lives in the packages.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const BIN = join(ROOT, 'node_modules', '.bin');
const NODE = join(BIN, process.platform === 'win32' ? 'node.cmd' : 'node');
const STAMP = join(ROOT, 'node_modules', '.molecule-installed');
/** Compiled code of the last run: a start takes 0.65 s with it and 0.85 s without. */
const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? join(ROOT, 'node_modules', '.cache', 'molecule');
/** Memory that was freed goes back to the system in pieces of this size; glibc would come to keep up to 64 MB, 60 MB here. */
const MALLOC_TRIM_THRESHOLD_ = process.env.MALLOC_TRIM_THRESHOLD_ ?? '131072';
const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH ?? ''}` };

function fail(cause, hint) {
  process.stderr.write(`molecule: ${cause}\n          ${hint}\n`);
  process.exit(1);
}

function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function run(command, args, options = {}) {
  return spawnSync(command, args, {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
    ...options,
  });
}

/** npm ci when the lock file changed since the last one. Progress goes to stderr, so that `--json` output stays clean. */
function installPackages() {
  const wanted = hashOf([join(ROOT, 'package-lock.json')]);
  if (existsSync(NODE) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  process.stderr.write('molecule: installing packages (once, about a minute)\n');
  const result = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 2, 2] });
  if (result.status !== 0)
    fail('npm ci failed; its output is above', 'check the network and the npm registry, then run the command again');
  if (!existsSync(NODE))
    fail('the Node.js that ships with the packages is missing', 'npm ci --include=dev --foreground-scripts');
  writeFileSync(STAMP, wanted);
}

function listFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : listFiles(path);
    return [path];
  });
}

/** Builds the canvas when its sources, or the contract it bundles, are newer than the last build. */
function buildCanvas() {
  const canvas = join(ROOT, 'packages/canvas');
  const sources = [
    ...listFiles(join(canvas, 'src')),
    ...listFiles(join(ROOT, 'packages/contract/src')),
    join(canvas, 'index.html'),
    join(canvas, 'vite.config.ts'),
  ];
  const stamp = join(canvas, 'dist', '.built-from');
  const wanted = hashOf(sources.sort());
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  process.stderr.write('molecule: building the canvas\n');
  const result = run(NODE, [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'], {
    cwd: canvas,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0) fail('the canvas could not be built; the reason is above', 'npm start');
  writeFileSync(stamp, wanted);
}

/** Replaces this process as far as the system allows: same terminal, same signals, same exit code. */
function handOver(args) {
  const child = spawn(NODE, args, {
    cwd: process.cwd(),
    env: { ...env, NODE_COMPILE_CACHE, MALLOC_TRIM_THRESHOLD_ },
    stdio: 'inherit',
  });
  // A terminal sends a signal to the whole group, a supervisor to us alone; the platform takes two in one moment for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

const SHOW_WARNINGS_OFF = '--disable-warning=ExperimentalWarning';

function isRoot() {
  return typeof process.getuid === 'function' && process.getuid() === 0;
}

/** Where systemd runs, the package would start an engine for the whole machine and change its network rules. */
function mayInstallEngine() {
  return isRoot() && process.platform === 'linux' && !existsSync('/run/systemd/system');
}

/** What the tests need from the system. As root on Debian it is installed; otherwise it is named. */
function installTestTools() {
  const missing = [];
  if (!existsSync('/usr/bin/chromium') && !process.env.MOLECULE_TEST_CHROMIUM) missing.push('chromium');
  if (!existsSync('/usr/lib/postgresql/15/bin/postgres') && !process.env.MOLECULE_TEST_POSTGRES_URL)
    missing.push('postgresql-15');
  // Tests of containers start an engine of their own, which takes root; without it they are skipped, and say so.
  if (mayInstallEngine()) {
    if (!['/usr/sbin/dockerd', '/usr/bin/dockerd'].some((file) => existsSync(file))) missing.push('docker.io');
    if (!existsSync('/usr/sbin/iptables')) missing.push('iptables');
    if (!existsSync('/bin/busybox')) missing.push('busybox-static');
  }
  if (missing.length === 0) return;
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (!isRoot() || !existsSync('/usr/bin/apt-get')) {
    fail(
      `the tests need ${missing.join(' and ')}`,
      `run as root: ${command}\n          or set MOLECULE_TEST_CHROMIUM and MOLECULE_TEST_POSTGRES_URL to those you have`,
    );
  }
  process.stderr.write(`molecule: installing ${missing.join(', ')} for the tests\n`);
  const result = run(
    'sh',
    ['-c', `${command} >/tmp/molecule-apt.log 2>&1 || { tail -20 /tmp/molecule-apt.log; exit 1; }`],
    { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' }, stdio: ['ignore', 2, 2] },
  );
  if (result.status !== 0) fail(`installing ${missing.join(', ')} failed; the reason is above`, command);
}

const [task = 'start', ...rest] = process.argv.slice(2);
if (Number(process.versions.node.split('.')[0]) < 18)
  fail(
    `Node.js ${process.versions.node} is too old to install packages`,
    'install Node.js 18 or newer from your system, then run the command again',
  );
mkdirSync(join(ROOT, 'node_modules'), { recursive: true });
if (!statSync(join(ROOT, 'package-lock.json'), { throwIfNoEntry: false }))
  fail('package-lock.json is missing', 'git checkout -- package-lock.json');
installPackages();

switch (task) {
  case 'start':
    buildCanvas();
    handOver([SHOW_WARNINGS_OFF, '--max-semi-space-size=16', join(ROOT, 'packages/cli/src/bin.ts'), 'start', ...rest]);
    break;
  case 'cli':
    handOver([SHOW_WARNINGS_OFF, join(ROOT, 'packages/cli/src/bin.ts'), ...rest]);
    break;
  case 'test':
    installTestTools();
    buildCanvas();
    handOver([SHOW_WARNINGS_OFF, join(ROOT, 'scripts/test.ts'), ...rest]);
    break;
  case 'bench':
    installTestTools();
    buildCanvas();
    handOver([SHOW_WARNINGS_OFF, join(ROOT, 'bench/run.ts'), ...rest]);
    break;
  case 'faults':
  case 'chaos':
    installTestTools();
    handOver([SHOW_WARNINGS_OFF, join(ROOT, `scripts/${task}.ts`), ...rest]);
    break;
  case 'images':
    buildCanvas();
    handOver([SHOW_WARNINGS_OFF, join(ROOT, 'deploy/docker/build.ts'), ...rest]);
    break;
  case 'run':
    handOver([SHOW_WARNINGS_OFF, join(ROOT, rest[0] ?? ''), ...rest.slice(1)]);
    break;
  default:
    fail(`${task} is not a task`, 'npm start');
}
