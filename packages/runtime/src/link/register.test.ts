// Registration of a whole agent: what it keeps, what it repeats, what it gives up.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createManualTimers } from '../../test/manual-timers.ts';
import { openPlatform, startTestAgent } from '../../test/test-agent.ts';

const REGISTER = 'POST /registry/register';

it('R04 a token and a secret in the reply: both files 0600, exact, and no temporary one left', async () => {
  const test = await startTestAgent({
    prepare: ({ platform }) =>
      platform.on(REGISTER, () => ({
        body: {
          status: 'registered',
          delivery_mode: 'push',
          auth_token: 'the-token',
          platform_inbound_secret: 'the-secret',
        },
      })),
  });
  await test.platform.waitFor('POST /registry/heartbeat');
  const files = { '.auth_token': 'the-token', '.platform_inbound_secret': 'the-secret' };
  for (const [name, content] of Object.entries(files)) {
    const path = join(test.configDir, name);
    expect(readFileSync(path, 'utf8')).toBe(content);
    expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
  }
  expect(readdirSync(test.configDir).filter((name) => /\.(auth_token|platform_inbound_secret)./.test(name))).toEqual(
    [],
  );
  const [beat] = test.platform.callsTo('POST /registry/heartbeat');
  expect(beat?.headers.authorization).toBe('Bearer the-token');
});

it('says where it listens and what it is', async () => {
  const test = await startTestAgent();
  const [register] = await test.platform.waitFor(REGISTER);
  expect(register?.body).toMatchObject({ url: test.agent.url, agent_card: { name: 'Ada', url: test.agent.url } });
  expect(register?.body).not.toHaveProperty('delivery_mode');
  expect((await fetch(`${test.agent.url}/readyz`)).status).toBe(200);
});

it('tries again after 1, 2, 4, 8, 15 and 30 s, then every 30 s', async () => {
  const timers = createManualTimers();
  const platform = await openPlatform();
  platform.on(REGISTER, () => ({ status: 503, body: { error: 'not yet' } }));
  await startTestAgent({ platform, timers });
  const slept: number[] = [];
  for (let tries = 0; tries < 8; tries += 1) slept.push(await timers.ring());
  expect(slept).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 30_000, 30_000]);
});

it('reads a refused token from disk again, once an attempt', async () => {
  const timers = createManualTimers();
  const platform = await openPlatform();
  const test = await startTestAgent({
    platform,
    timers,
    prepare({ configDir }) {
      writeFileSync(join(configDir, '.auth_token'), 'old');
      platform.on(REGISTER, ({ headers }) => {
        if (headers.authorization === 'Bearer new') return { body: { status: 'registered', delivery_mode: 'push' } };
        writeFileSync(join(configDir, '.auth_token'), 'new');
        return { status: 401, body: {} };
      });
    },
  });
  await test.platform.waitFor('POST /registry/heartbeat');
  expect(test.platform.callsTo(REGISTER).map(({ headers }) => headers.authorization)).toEqual([
    'Bearer old',
    'Bearer new',
  ]);
});

it('gives up when the workspace is deleted', async () => {
  const deleted = Promise.withResolvers<void>();
  const platform = await openPlatform();
  platform.on(REGISTER, () => ({ status: 401, body: {} }));
  platform.on('GET /workspaces/11111111-1111-4111-8111-111111111111/state', () => ({
    status: 404,
    body: { deleted: true },
  }));
  await startTestAgent({ platform, onDeleted: deleted.resolve });
  await deleted.promise;
  expect(platform.callsTo('POST /registry/heartbeat')).toEqual([]);
});

it('registers anew, once, when beats find the address unknown', async () => {
  const timers = createManualTimers();
  const platform = await openPlatform();
  await startTestAgent({ platform, timers });
  await platform.waitFor('POST /registry/heartbeat');
  platform.on('POST /registry/heartbeat', () => ({ status: 410, body: {} }));
  await timers.ring(20_000);
  await platform.waitFor(REGISTER, 2);
  expect(platform.callsTo(REGISTER)).toHaveLength(2);
});
