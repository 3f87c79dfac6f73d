// A stand-in for the runtime at the edge of the process: listens on PORT, registers with the token it finds, and behaves as
// the secret SCRIPT says. It writes its environment to HOME/environment.json, so that a test can read what it was given.

import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const env = process.env as Record<string, string>;
const script = env.SCRIPT ?? '';
const home = env.HOME ?? '';
const portMarker = join(home, 'port-was-taken');

writeFileSync(join(home, 'environment.json'), JSON.stringify(env));
appendFileSync(join(home, 'starts'), `${process.pid}\n`);
console.log(`scripted agent ${env.WORKSPACE_ID} on ${env.PORT}`);

if (script === 'refuse') {
  console.log('FAIL ANTHROPIC_API_KEY is not set');
  console.log('     the model anthropic:claude-opus-4-7 needs it');
  console.log('     fix: save it as a secret');
  console.log(`the planted value is ${env.PLANTED}`);
  process.exit(1);
}
if (script === 'refuse-with-secret') {
  console.log(`FAIL the key ${env.PLANTED} was refused`);
  process.exit(1);
}
if (script === 'port-taken' && !existsSync(portMarker)) {
  writeFileSync(portMarker, '');
  console.error(`listen EADDRINUSE: address already in use 127.0.0.1:${env.PORT}`);
  process.exit(1);
}
if (script === 'ignore-term') process.on('SIGTERM', () => {});
if (script === 'grandchild') {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  writeFileSync(join(home, 'grandchild'), String(child.pid));
}

createServer((_request, response) => response.end('{}')).listen(Number(env.PORT), '127.0.0.1', async () => {
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
  if (script === 'crash') {
    console.error('fatal: the scripted crash');
    process.exit(3);
  }
});
