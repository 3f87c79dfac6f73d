// What an agent remembers of its turns beyond its own process: a repeated message is answered, not run again.

import { appendFileSync, chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createScriptedAdapter } from '../../test/scripted-adapter.ts';
import { messageOf, startTestAgent } from '../../test/test-agent.ts';
import type { Turn } from '../adapters/adapter.ts';

function createNotingAdapter() {
  const turns: Turn[] = [];
  const adapter = createScriptedAdapter((turn) => {
    turns.push(turn);
    if (turn.text === 'fail') throw new Error('no luck');
    return { text: `did ${turn.text}` };
  });
  return { adapter, turns };
}

// biome-ignore lint/suspicious/noExplicitAny: a reply is read for what the test expects there
const textOf = (result: any) => result.parts[0].text;

describe('after a restart', () => {
  it('a message that was answered before gets that answer, and its task can be read; it is not run again', async () => {
    const first = createNotingAdapter();
    const before = await startTestAgent({ adapter: first.adapter });
    const params = messageOf('pay the invoice', { contextId: 'c1', messageId: 'm1' });
    const answered = (await before.call('message/send', params)).body.result;
    await before.agent.stop();

    const second = createNotingAdapter();
    const after = await startTestAgent({ adapter: second.adapter, configDir: before.configDir });
    const repeated = (await after.call('message/send', params)).body.result;
    expect(repeated).toEqual(answered);
    expect(second.turns).toEqual([]);
    const task = (await after.call('tasks/get', { id: answered.taskId })).body.result;
    expect(task).toMatchObject({ id: answered.taskId, contextId: 'c1', status: { state: 'completed' } });
    // Another message of the same agent is a turn like any other.
    await after.call('message/send', messageOf('and the next', { contextId: 'c1', messageId: 'm2' }));
    expect(second.turns.map(({ text }) => text)).toEqual(['and the next']);
  });

  it('a turn that failed stays failed, and one that was cut off by the end of its process runs again', async () => {
    const first = createNotingAdapter();
    const before = await startTestAgent({ adapter: first.adapter });
    const failing = messageOf('fail', { contextId: 'c1', messageId: 'f1' });
    const failed = (await before.call('message/send', failing)).body.result;
    await before.agent.stop();

    const held = createScriptedAdapter(
      async (_turn, _emit, signal) =>
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const during = await startTestAgent({
      adapter: held,
      configDir: before.configDir,
      env: { SHUTDOWN_GRACE_S: '0' },
    });
    expect((await during.call('message/send', failing)).body.result).toEqual(failed);
    const cut = messageOf('long work', { contextId: 'c1', messageId: 'l1' });
    const cutOff = during.call('message/send', cut);
    await expect
      .poll(() => during.platform.callsTo('POST /registry/heartbeat').at(-1)?.body)
      .toMatchObject({ active_tasks: 1 });
    await during.agent.stop();
    expect((await cutOff).status).toBe(503);

    const third = createNotingAdapter();
    const after = await startTestAgent({ adapter: third.adapter, configDir: before.configDir });
    expect(textOf((await after.call('message/send', cut)).body.result)).toBe('did long work');
    expect(third.turns.map(({ text }) => text)).toEqual(['long work']);
  });
});

describe('the file', () => {
  it('is for its owner only, and a line that was cut short costs that line alone', async () => {
    const { adapter } = createNotingAdapter();
    const before = await startTestAgent({ adapter });
    const params = (id: string) => messageOf(id, { contextId: 'c1', messageId: id });
    await before.call('message/send', params('one'));
    await before.agent.stop();
    const path = join(before.configDir, '.tasks.jsonl');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    // A power cut in the middle of the second line.
    appendFileSync(path, `\n${readFileSync(path, 'utf8').trim().slice(0, 40)}`);

    const second = createNotingAdapter();
    const after = await startTestAgent({ adapter: second.adapter, configDir: before.configDir });
    await after.call('message/send', params('two'));
    await after.agent.stop();
    const third = createNotingAdapter();
    const last = await startTestAgent({ adapter: third.adapter, configDir: before.configDir });
    for (const id of ['one', 'two'])
      expect(textOf((await last.call('message/send', params(id))).body.result)).toBe(`did ${id}`);
    expect(third.turns).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('a folder that refuses it costs the memory, not the turn', async () => {
    const { adapter } = createNotingAdapter();
    const test = await startTestAgent({ adapter });
    chmodSync(test.configDir, 0o500);
    const reply = await test.call('message/send', messageOf('go on', { messageId: 'g1' }));
    chmodSync(test.configDir, 0o700);
    expect(textOf(reply.body.result)).toBe('did go on');
    expect(test.log.filter(({ msg }) => msg.startsWith('ended turns cannot be stored'))).toHaveLength(1);
  });
});
