// Image pins over HTTP (chapter 10 §2.5), whatever runs the agents.

import { startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const template = { params: { template: 'echo' } };

let test: TestPlatform;
beforeAll(async () => {
  test = await startPlatform();
});
afterAll(() => test.stop());

it('a pin keeps the one before it, so that a rollback swaps the two; without one there is nothing to go back to', async () => {
  expect(await test.admin.listImagePins()).toEqual([]);
  await expect(test.admin.rollbackImagePin(template)).rejects.toMatchObject({ status: 404 });
  expect(await test.admin.putImagePin({ ...template, body: { digest: digest('a') } })).toMatchObject({
    template_name: 'echo',
    digest: digest('a'),
    previous_digest: null,
    updated_by: 'admin-token',
  });
  await expect(test.admin.rollbackImagePin(template)).rejects.toMatchObject({
    status: 409,
    body: { code: 'conflict' },
  });
  await test.admin.putImagePin({ ...template, body: { digest: digest('b') } });
  // The same again is no new one to go back from.
  await test.admin.putImagePin({ ...template, body: { digest: digest('b') } });
  expect(await test.admin.listImagePins()).toMatchObject([{ digest: digest('b'), previous_digest: digest('a') }]);
  expect(await test.admin.rollbackImagePin(template)).toMatchObject({
    digest: digest('a'),
    previous_digest: digest('b'),
  });
  expect(await test.admin.rollbackImagePin(template)).toMatchObject({ digest: digest('b') });
  expect(await test.admin.deleteImagePin(template)).toEqual({ status: 'unpinned' });
  await expect(test.admin.deleteImagePin(template)).rejects.toMatchObject({ status: 404 });
  expect(await test.admin.listImagePins()).toEqual([]);
});

it.each(['latest', digest('A'), digest('g'), `sha256:${'a'.repeat(63)}`, 'a'.repeat(64)])(
  '%s is no digest',
  async (wrong) => {
    await expect(test.admin.putImagePin({ ...template, body: { digest: wrong } })).rejects.toMatchObject({
      status: 400,
      body: { code: 'invalid_request', field: 'digest' },
    });
  },
);

it('a runtime nobody knows cannot be pinned', async () => {
  const unknown = { params: { template: 'ecko' }, body: { digest: digest('a') } };
  await expect(test.admin.putImagePin(unknown)).rejects.toMatchObject({
    status: 400,
    body: { code: 'unknown_runtime' },
  });
});

it('where agents have no images there is nothing to refresh', async () => {
  await expect(test.admin.refreshImages({ query: {} })).rejects.toMatchObject({
    status: 501,
    body: { code: 'no_images' },
  });
});
