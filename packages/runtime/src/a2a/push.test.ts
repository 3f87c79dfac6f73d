// Push notifications of a whole agent to a real receiver, and the addresses that are never called.

import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createTestLog, messageOf, startTestAgent } from '../../test/test-agent.ts';
import { createPushSender } from './push.ts';

interface Post {
  headers: IncomingHttpHeaders;
  text: string;
}

async function openReceiver(statusOf: (index: number) => number = () => 200) {
  const posts: Post[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    posts.push({ headers: request.headers, text });
    response.writeHead(statusOf(posts.length - 1)).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { posts, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

it('R25 a push config gets a signed POST for each change of state; a metadata address is refused', async () => {
  const { posts, url } = await openReceiver();
  const test = await startTestAgent();
  const config = { url, token: 'shared', authentication: { schemes: ['Bearer'], credentials: 'cred' } };
  await test.call('message/send', {
    ...messageOf('[[echo: reply "done"]]'),
    configuration: { pushNotificationConfig: config },
  });
  const statesOf = () => posts.map(({ text }) => JSON.parse(text)).map((body) => body.status?.state);
  await expect.poll(statesOf).toEqual(['working', 'completed']);
  for (const { headers, text } of posts) {
    expect(headers['x-a2a-notification-token']).toBe('shared');
    expect(headers['x-a2a-notification-signature']).toBe(
      `sha256=${createHmac('sha256', 'shared').update(text).digest('hex')}`,
    );
  }

  for (const target of [
    'http://169.254.169.254/latest/meta-data',
    'http://[fd00:ec2::254]/',
    'ftp://127.0.0.1/x',
    'no',
  ]) {
    const { body } = await test.call('message/send', {
      ...messageOf('go'),
      configuration: { pushNotificationConfig: { url: target } },
    });
    expect([target, body.error?.code]).toEqual([target, -32602]);
  }
});

it('tries three times, in the order of the states', async () => {
  const { posts, url } = await openReceiver((index) => (index < 2 ? 500 : 200));
  const { log } = createTestLog();
  const sender = createPushSender({ allowPrivate: true, log, retryMs: 1 });
  const entry = (state: number) => ({
    pushTargets: [{ config: { url }, version: '0.3' }],
    task: { id: 't1', contextId: 'c1', status: { state }, artifacts: [], history: [] },
  });
  sender.send(entry(2) as never);
  sender.send(entry(3) as never);
  await expect.poll(() => posts.length).toBe(4);
  const states = posts.map(({ text }) => JSON.parse(text).status.state);
  expect(states).toEqual(['working', 'working', 'working', 'completed']);
});

it('calls private addresses only where the platform is at one, whatever a name says', async () => {
  const { log } = createTestLog();
  const names: Record<string, string[]> = {
    'public.test': ['93.184.216.34'],
    'inside.test': ['10.0.0.5'],
    'both.test': ['93.184.216.34', '127.0.0.1'],
    'mapped.test': ['::ffff:10.0.0.5'],
    'metadata.test': ['169.254.169.254'],
  };
  const lookup = (
    host: string,
    _options: unknown,
    done: (error: Error | null, found: { address: string; family: number }[]) => void,
  ) => {
    const found = names[host];
    done(
      found ? null : new Error('unknown'),
      (found ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  const judge = async (allowPrivate: boolean, host: string) => {
    const sender = createPushSender({ allowPrivate, log, lookup });
    return await sender.assertTarget(`https://${host}/hook`).then(
      () => true,
      () => false,
    );
  };
  for (const host of ['inside.test', 'both.test', 'mapped.test', 'metadata.test', 'unknown.test'])
    expect([host, await judge(false, host)]).toEqual([host, false]);
  expect(await judge(false, 'public.test')).toBe(true);
  expect(await judge(true, 'inside.test')).toBe(true);
  expect(await judge(true, 'metadata.test')).toBe(false);
});
