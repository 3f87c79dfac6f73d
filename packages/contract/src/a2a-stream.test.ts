import { describe, expect, it } from 'vitest';
import { type A2aFrame, readA2aStream } from './a2a-stream.ts';

const piece = (text: string): A2aFrame => ({ result: { kind: 'artifact-update', text } });
const done: A2aFrame = { result: { kind: 'status-update', final: true } };
const interrupted: A2aFrame = { error: { code: -32000, message: 'stream interrupted' } };
const event = (id: number | null, frame: A2aFrame) =>
  `${id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(frame)}\n\n`;

/** An event stream that ends, or breaks, after these pieces of text. */
function streamOf(pieces: string[], { breaks = false } = {}): Response {
  const encoder = new TextEncoder();
  const waiting = [...pieces];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = waiting.shift();
      if (next !== undefined) controller.enqueue(encoder.encode(next));
      else if (breaks) controller.error(new Error('the connection broke'));
      else controller.close();
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

const refusal = () =>
  new Response(JSON.stringify({ error: { code: -32001 } }), { headers: { 'content-type': 'application/json' } });

async function read(connections: (Response | Error)[], mayResume = () => true) {
  const frames: A2aFrame[] = [];
  const asked: string[] = [];
  const [first, ...rest] = connections;
  const end = await readA2aStream(first as Response, {
    onFrame: (frame) => frames.push(frame),
    async resume(lastEventId) {
      asked.push(lastEventId);
      const next = rest.shift();
      if (!next || next instanceof Error) throw next ?? new Error('nobody answers');
      return next;
    },
    mayResume,
    random: () => 0,
  });
  return { frames, asked, end };
}

describe('the stream of a reply', () => {
  it('goes on after the last event seen when a connection breaks, as often as it does', async () => {
    const whole = event(3, piece('three'));
    const { frames, asked, end } = await read([
      streamOf([`: a comment\n\n${event(1, piece('one'))}`, event(2, piece('two')), whole.slice(0, 20)], {
        breaks: true,
      }),
      new Error('not there yet'),
      streamOf([whole], { breaks: true }),
      streamOf([event(4, done)]),
    ]);
    expect(frames).toEqual([piece('one'), piece('two'), piece('three'), done]);
    expect([asked, end]).toEqual([['2', '2', '3'], 'complete']);
  }, 20_000);

  it('is not asked for again once it has said its last, nor without a number', async () => {
    expect(await read([streamOf([event(1, done)], { breaks: true })])).toEqual({
      frames: [done],
      asked: [],
      end: 'complete',
    });
    expect(await read([streamOf([event(null, piece('one'))], { breaks: true })])).toMatchObject({
      asked: [],
      end: 'broken',
    });
    const leaving = await read([streamOf([event(1, piece('one'))], { breaks: true })], () => false);
    expect(leaving).toMatchObject({ asked: [], end: 'broken' });
  });

  it('tells of an interruption only when the platform stands by it', async () => {
    const restarted = await read([
      streamOf([event(1, piece('one')), event(null, interrupted)]),
      streamOf([event(2, piece('two')), event(3, done)]),
    ]);
    expect(restarted).toMatchObject({ frames: [piece('one'), piece('two'), done], end: 'complete' });
    const lost = await read([
      streamOf([event(1, piece('one')), event(null, interrupted)]),
      streamOf([event(null, interrupted)]),
    ]);
    expect(lost).toEqual({ frames: [piece('one'), interrupted], asked: ['1'], end: 'broken' });
  }, 20_000);

  it('ends where the platform says that there is nothing more, and where it refuses', async () => {
    const silent = await read([streamOf([event(1, piece('one'))]), streamOf([])]);
    expect(silent).toEqual({ frames: [piece('one')], asked: ['1'], end: 'complete' });
    expect(await read([streamOf([event(1, piece('one'))], { breaks: true }), refusal()])).toMatchObject({
      end: 'broken',
    });
  }, 20_000);
});
