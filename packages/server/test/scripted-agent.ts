// A stand-in for the runtime at the edge of the process: listens on PORT, registers with the token it finds, answers every
// message with its pid, and behaves as HOME/script or the secret SCRIPT says. HOME/environment.json holds what it was given,
// HOME/starts one pid per start, so that a test can read both.

import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';

const env = process.env as Record<string, string>;
const home = env.HOME ?? '';
const scriptFile = join(home, 'script');
const portMarker = join(home, 'port-was-taken');
const releaseFile = join(home, 'release');
const script = existsSync(scriptFile) ? readFileSync(scriptFile, 'utf8') : (env.SCRIPT ?? '');

const MEBIBYTE = 1024 * 1024;

function startChild(options: { detached: boolean }): void {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore', ...options });
  writeFileSync(join(home, 'grandchild'), String(child.pid));
}

/** Takes its time over a SIGTERM: says so, and ends when the test lets it. */
function holdTermination(): void {
  process.on('SIGTERM', () => {
    const end = () => existsSync(releaseFile) && process.exit(0);
    watch(home, end);
    writeFileSync(join(home, 'terminating'), String(process.pid));
    end();
  });
}

/** How it takes a SIGTERM. */
const MANNERS: Record<string, () => void> = {
  'ignore-term': () => process.on('SIGTERM', () => {}),
  'hold-term': holdTermination,
};

/** What it does before it listens. */
const PREPARATIONS: Record<string, () => void> = {
  refuse() {
    console.log('FAIL ANTHROPIC_API_KEY is not set');
    console.log('     the model anthropic:claude-opus-4-7 needs it');
    console.log('     fix: save it as a secret');
    console.log(`the planted value is ${env.PLANTED}`);
    process.exit(1);
  },
  'refuse-without-key'() {
    if (env.ANTHROPIC_API_KEY) return;
    console.log('FAIL ANTHROPIC_API_KEY is not set: the model needs it — save the secret ANTHROPIC_API_KEY');
    process.exit(1);
  },
  'refuse-with-secret'() {
    console.log(`FAIL the key ${env.PLANTED} was refused`);
    process.exit(1);
  },
  'port-taken'() {
    if (existsSync(portMarker)) return;
    writeFileSync(portMarker, env.PORT ?? '');
    console.error(`listen EADDRINUSE: address already in use 127.0.0.1:${env.PORT}`);
    process.exit(1);
  },
  'crash-early'() {
    console.error('Error: it broke before it listened');
    process.exit(7);
  },
  grandchild: () => startChild({ detached: false }),
  runaway: () => startChild({ detached: true }),
  chatty: () => process.stdout.write(`${'x'.repeat(1023)}\n`.repeat((11 * MEBIBYTE) / 1024)),
};

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { id = null } = chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as { id?: unknown }) : {};
  const parts = [{ kind: 'text', text: `answered by ${process.pid}` }];
  const result = { kind: 'message', role: 'agent', messageId: `m-${process.pid}-${Date.now()}`, parts };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
}

async function register(): Promise<void> {
  const token = readFileSync(join(env.CONFIGS_DIR ?? '', '.auth_token'), 'utf8');
  const reply = await fetch(`${env.PLATFORM_URL}/registry/register`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      id: env.WORKSPACE_ID,
      url: `http://127.0.0.1:${env.PORT}`,
      agent_card: { name: 'scripted', protocolVersion: '0.3.0' },
    }),
  });
  console.log(`registered: ${reply.status} ${await reply.text()}`);
}

MANNERS[script]?.();
writeFileSync(join(home, 'environment.json'), JSON.stringify(env));
appendFileSync(join(home, 'starts'), `${process.pid}\n`);
console.log(`scripted agent ${env.WORKSPACE_ID} on ${env.PORT}`);
PREPARATIONS[script]?.();

const server = createServer((request, response) => void answer(request, response));
server.listen(Number(env.PORT), '127.0.0.1', async () => {
  if (script === 'silent') return;
  await register().catch((error: unknown) => console.log('not registered:', error));
  if (script !== 'crash') return;
  console.error('fatal: the scripted crash');
  process.exit(3);
});
