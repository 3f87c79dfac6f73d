// A streamed reply whose connection breaks half way (spec chapter 20 §1.10, chapter 50 §7.1).

import { type Responder, startLink } from '@molecule/testkit';
import { expect, keepScreenshot, test } from './stage.ts';
import { bubbles, openChat, say } from './talking.ts';

/** An agent that streams its words one by one, each when it is told to. */
function createSpeaker(words: readonly string[]) {
  const gates = words.map(() => Promise.withResolvers<void>());
  const respond: Responder = async (call, response) => {
    const { id } = call.body as { id: unknown };
    const send = (result: object) =>
      response.write(
        `data: ${JSON.stringify({ jsonrpc: '2.0', id, result: { taskId: 't1', contextId: 'c1', ...result } })}\n\n`,
      );
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    send({ kind: 'task', id: 't1', status: { state: 'submitted' } });
    for (const [at, word] of words.entries()) {
      await gates[at]?.promise;
      const artifact = { artifactId: 'a', parts: [{ kind: 'text', text: word }] };
      send({ kind: 'artifact-update', append: at > 0, lastChunk: false, artifact });
    }
    send({ kind: 'status-update', final: true, status: { state: 'completed' } });
    response.end();
  };
  return { respond, say: (at: number) => gates[at]?.resolve() };
}

test('C34 a stream whose connection is cut goes on after the last word seen: nothing missing, nothing twice, asked of the agent once', async ({
  page,
  stage,
}) => {
  const link = await startLink(Number(new URL(stage.platform.url).port));
  try {
    const speaker = createSpeaker(['One, ', 'two, ', 'three, ', 'four.']);
    const agent = await stage.agent({
      name: 'Lead',
      respond: speaker.respond,
      workspace: { canvas: { x: 300, y: 200 } },
    });
    await stage.enter(page, undefined, link.url);
    await openChat(page, agent.id);
    await say(page, 'Count');
    const live = page.locator('[data-streaming=true]');
    speaker.say(0);
    await expect(live).toHaveText('One,');
    link.cut();
    await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'reconnecting');
    speaker.say(1);
    speaker.say(2);
    await expect(live).toHaveText('One,');
    await keepScreenshot(page, 'c34-cut-off');
    link.heal();
    await expect(live).toHaveText('One, two, three,', { timeout: 20_000 });
    speaker.say(3);
    await expect(live).toBeHidden();
    await expect(bubbles(page, 'agent').locator('.md')).toHaveText('One, two, three, four.');
    await expect(bubbles(page, 'agent')).toHaveCount(1);
    await expect(bubbles(page, 'error')).toHaveCount(0);
    expect(agent.calls).toHaveLength(1);
    await page.reload();
    await expect(bubbles(page, 'agent').locator('.md')).toHaveText('One, two, three, four.');
  } finally {
    await link.stop();
  }
});
