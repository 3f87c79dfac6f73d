import { chosenStore, openTestDatabase, startFakeAgent, startPlatform, textRequest } from '@molecule/testkit';
import { afterEach, expect, it } from 'vitest';
import { readEvents } from '../../../test/event-reader.ts';
import { createTalkingAgent } from '../../../test/talking-agent.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

// The embedded store has one owner.
it.runIf(chosenStore() === 'postgres')(
  '20.121 a stream is resumed on another replica than the one that reads it from its agent, and heard live there',
  async () => {
    const db = await openTestDatabase();
    cleanups.push(db.close);
    const otherDb = await db.openAnother?.();
    if (!otherDb) throw new Error('another replica needs connections of its own');
    cleanups.push(otherDb.close);
    const first = await startPlatform({ db });
    cleanups.push(first.stop);
    const second = await startPlatform({ db: otherDb, dataDir: first.dataDir });
    cleanups.push(second.stop);
    const talking = createTalkingAgent();
    const agent = await startFakeAgent(first, { respond: talking.respond });
    cleanups.push(agent.stop);
    const read = (url: string, body: Record<string, unknown>, headers = {}) =>
      readEvents({ url: `${url}/workspaces/${agent.id}/a2a`, token: agent.token, body, headers });

    const body = textRequest('go', { method: 'message/stream' });
    const { messageId } = (body.params as { message: { messageId: string } }).message;
    const uncut = await read(first.url, body);
    const talk = await talking.waitForTalk(messageId);
    talk.say('one ');
    for (let taken = 0; taken < 3; taken += 1) await uncut.next();
    const resumed = await read(second.url, body, { 'last-event-id': '2' });
    expect(await resumed.next()).toMatchObject({ id: 3 });
    const words = Array.from({ length: 50 }, (_, index) => `word ${index} `);
    for (const [index, word] of words.entries()) {
      talk.say(word);
      expect(await resumed.next()).toMatchObject({
        id: index + 4,
        data: { result: { artifact: { parts: [{ text: word }] } } },
      });
    }
    talk.finish();
    await Promise.all([resumed.all(), uncut.all()]);
    const head = uncut
      .raw()
      .split('\n\n')
      .slice(0, 2)
      .map((event) => `${event}\n\n`);
    expect(head.join('') + resumed.raw()).toBe(uncut.raw());
    expect(agent.calls).toHaveLength(1);
  },
  30_000,
);
