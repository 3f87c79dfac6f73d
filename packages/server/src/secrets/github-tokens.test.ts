import { createVerify, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createManualClock,
  createSeat,
  failureOf,
  type Peer,
  type Responder,
  startPeer,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const TOKEN = 'ghs_planted0123456789planted';
const clock = createManualClock();
const lines: string[] = [];
let folder: string;
let github: Peer;
let test: TestPlatform;

const inAnHour = () => new Date(clock.now() + 3_600_000).toISOString();
const giveToken: Responder = (_call, response) =>
  void response.writeHead(201).end(JSON.stringify({ token: TOKEN, expires_at: inAnHour(), permissions: {} }));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'molecule-github-'));
  const file = join(folder, 'app.pem');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  github = await startPeer(giveToken);
  test = await startPlatform({
    replicas: 1,
    clock,
    onLog: (line) => lines.push(JSON.stringify(line)),
    env: {
      GITHUB_API_URL: github.url,
      GITHUB_APP_ID: '4711',
      GITHUB_APP_INSTALLATION_ID: '99',
      GITHUB_APP_PRIVATE_KEY_FILE: file,
    },
  });
});
beforeEach(() => {
  github.respond(giveToken);
  github.calls.length = 0;
  // Whatever is kept has ended.
  clock.advance(3_600_000);
});
afterAll(async () => {
  await test?.stop();
  await github?.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('is asked for with a proof signed by the app, given to operators and to each seat for itself, and kept until shortly before its end', async () => {
  const [seat, other] = [await createSeat(test), await createSeat(test)];
  const params = { id: seat.id };
  const own = test.client(seat.token);
  const answers = await Promise.all([test.admin.getGithubToken(), own.getSeatGithubToken({ params })]);
  expect(answers).toEqual(Array(2).fill({ token: TOKEN, expires_at: inAnHour() }));
  expect(github.calls.map(({ path }) => path)).toEqual(['/app/installations/99/access_tokens']);
  const proof = github.calls[0]?.headers.authorization?.replace('Bearer ', '') ?? '';
  const [header = '', claims = '', signature = ''] = proof.split('.');
  const isGenuine = createVerify('RSA-SHA256')
    .update(`${header}.${claims}`)
    .verify(publicKey, Buffer.from(signature, 'base64url'));
  expect(isGenuine).toBe(true);
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  expect(read(header)).toEqual({ alg: 'RS256', typ: 'JWT' });
  const now = Math.floor(clock.now() / 1000);
  expect(read(claims)).toEqual({ iat: now - 60, exp: now + 540, iss: '4711' });

  const response = await own.raw('GET', `/workspaces/${seat.id}/github-installation-token`);
  expect(response.headers.get('cache-control')).toBe('no-store');
  await response.body?.cancel();
  clock.advance(3_299_999);
  await own.getSeatGithubToken({ params });
  expect(github.calls).toHaveLength(1);
  clock.advance(1);
  await own.getSeatGithubToken({ params });
  expect(github.calls).toHaveLength(2);

  const foreign = test.client(other.token);
  expect((await failureOf(foreign.getSeatGithubToken({ params }))).status).toBe(401);
  expect((await failureOf(foreign.getGithubToken())).status).toBe(401);
  await test.admin.deleteWorkspace({ params });
  expect((await failureOf(test.admin.getSeatGithubToken({ params }))).status).toBe(404);
});

it('is tried for again when GitHub fails, not when it refuses; neither answer nor proof stands in the log', async () => {
  const failing: Responder = (_call, response) => {
    if (github.calls.length < 3) response.writeHead(502).end(`<html>${TOKEN}`);
    else giveToken(github.calls[0] as never, response);
  };
  github.respond(failing);
  expect((await test.admin.getGithubToken()).token).toBe(TOKEN);
  expect(github.calls).toHaveLength(3);

  clock.advance(3_600_000);
  github.calls.length = 0;
  github.respond((_call, response) => void response.writeHead(401).end(JSON.stringify({ message: `bad ${TOKEN}` })));
  const refused = await failureOf(test.admin.getGithubToken());
  expect([refused.status, refused.code]).toEqual([500, 'github_token_failed']);
  expect(refused.message).not.toContain(TOKEN);
  expect(github.calls).toHaveLength(1);
  const proofs = github.calls.map(({ headers }) => headers.authorization?.replace('Bearer ', '') ?? '');
  expect(lines.some((line) => line.includes('GitHub answered 401 with'))).toBe(true);
  for (const secret of [TOKEN, ...proofs])
    expect(lines.filter((line) => line.includes(secret.slice(0, 12)))).toEqual([]);
});

it('is 404 where no app is configured, and half an app is warned of', async () => {
  const bare = await startPlatform({ db: test.db, dataDir: test.dataDir, env: { GITHUB_APP_ID: '4711' } });
  try {
    expect((await failureOf(bare.admin.getGithubToken())).status).toBe(404);
    expect(bare.config.warnings.join()).toContain('GITHUB_API_URL');
  } finally {
    await bare.stop();
  }
});
