// The AG-UI profile against the protocol's own published schemas, and the order its readers insist on.

import { EventSchema } from '@ag-ui/core/schemas';
import { EVENT_NAMES, type EventFrame, type EventName } from '@molecule/contract';
import { createSeat, startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AguiEvent, createAguiTranslator } from './agui.ts';

const WORKSPACE = '11111111-1111-4111-8111-111111111111';
const AT = '2026-01-02T03:04:05.678Z';

const PAYLOADS: Partial<Record<EventName, object>> = {
  AGENT_MESSAGE: { message: 'Hello', workspace_id: WORKSPACE, name: 'Ada', activity_id: 'row-1' },
  A2A_RESPONSE: { response_body: { result: 1 }, method: 'message/send', duration_ms: 5, message_id: 'm1' },
  TASK_UPDATED: { current_task: 'sums', active_tasks: 1 },
  DELEGATION_SENT: { delegation_id: 'd1', target_id: WORKSPACE, task_preview: 'Build it' },
  DELEGATION_COMPLETE: { delegation_id: 'd1', target_id: WORKSPACE, response_preview: 'done' },
  DELEGATION_FAILED: { delegation_id: 'd2', target_id: WORKSPACE, error: 'no' },
  WORKSPACE_PROVISION_FAILED: { error: 'no room' },
};

const frameOf = (event: EventName, payload: object = PAYLOADS[event] ?? { anything: 'here' }) =>
  ({ event, workspace_id: WORKSPACE, timestamp: AT, payload }) as EventFrame;

const translate = (frames: EventFrame[]): AguiEvent[] => frames.flatMap(createAguiTranslator(WORKSPACE));

/** What readers of the protocol refuse a stream for. */
function findFaults(events: readonly AguiEvent[]): string[] {
  const faults: string[] = [];
  const steps = new Set<string>();
  let isRunning = false;
  for (const event of events) {
    if ((event.type === 'RUN_STARTED') === isRunning) faults.push(`${event.type} while running: ${isRunning}`);
    if (event.type === 'RUN_STARTED') isRunning = true;
    if (event.type === 'RUN_FINISHED' && steps.size > 0) faults.push(`${steps.size} steps left open`);
    if (event.type === 'RUN_FINISHED' || event.type === 'RUN_ERROR') isRunning = false;
    if (event.type === 'STEP_STARTED') steps.add(event.stepName);
    if (event.type === 'STEP_FINISHED' && !steps.delete(event.stepName)) faults.push(`${event.stepName} never began`);
  }
  return faults;
}

describe('the translation', () => {
  it('20.136 every event becomes what the table says, valid by the published schema', () => {
    const typesOf = (event: EventName) =>
      translate([frameOf(event)])
        .map(({ type }) => type)
        .slice(1)
        .join(' ');
    const expected: Partial<Record<EventName, string>> = {
      AGENT_MESSAGE: 'TEXT_MESSAGE_START TEXT_MESSAGE_CONTENT TEXT_MESSAGE_END',
      A2A_RESPONSE: 'RUN_FINISHED',
      TASK_UPDATED: 'STATE_DELTA',
      DELEGATION_SENT: 'STEP_STARTED',
      DELEGATION_COMPLETE: 'STEP_STARTED STEP_FINISHED',
      DELEGATION_FAILED: 'STEP_STARTED STEP_FINISHED',
      WORKSPACE_PROVISION_FAILED: 'RUN_ERROR',
    };
    expect(Object.fromEntries(EVENT_NAMES.map((name) => [name, typesOf(name)]))).toEqual(
      Object.fromEntries(EVENT_NAMES.map((name) => [name, expected[name] ?? 'CUSTOM'])),
    );
    for (const name of EVENT_NAMES)
      for (const event of translate([frameOf(name)])) {
        const { success, error, data } = EventSchema.safeParse(event);
        expect([name, success, error?.message]).toEqual([name, true, undefined]);
        // The schema lets unknown members pass; ours has none it would not read.
        expect(data).toEqual(event);
        expect(event.timestamp).toBe(Date.parse(AT));
      }
  });

  it('carries what the events say', () => {
    const [run, ...events] = translate(
      ['AGENT_MESSAGE', 'TASK_UPDATED', 'WORKSPACE_HEARTBEAT', 'A2A_RESPONSE'].map((name) =>
        frameOf(name as EventName),
      ),
    );
    const timestamp = Date.parse(AT);
    const runId = run?.type === 'RUN_STARTED' ? run.runId : '';
    expect(run).toEqual({ type: 'RUN_STARTED', threadId: WORKSPACE, runId: expect.any(String), timestamp });
    expect(events).toEqual(
      [
        { type: 'TEXT_MESSAGE_START', messageId: 'row-1', role: 'assistant' },
        { type: 'TEXT_MESSAGE_CONTENT', messageId: 'row-1', delta: 'Hello' },
        { type: 'TEXT_MESSAGE_END', messageId: 'row-1' },
        {
          type: 'STATE_DELTA',
          delta: [
            { op: 'add', path: '/current_task', value: 'sums' },
            { op: 'add', path: '/active_tasks', value: 1 },
          ],
        },
        { type: 'CUSTOM', name: 'WORKSPACE_HEARTBEAT', value: { anything: 'here' } },
        { type: 'RUN_FINISHED', threadId: WORKSPACE, runId, result: { result: 1 } },
      ].map((event) => ({ ...event, timestamp })),
    );
    const withFiles = translate([frameOf('AGENT_MESSAGE', { message: 'x', attachments: [{ uri: 'workspace:/a' }] })]);
    expect(withFiles.at(-1)).toMatchObject({ type: 'CUSTOM', name: 'AGENT_MESSAGE', value: { attachments: [{}] } });
  });

  it('every stream stands in runs and closes its steps, wherever it begins', () => {
    const names = Object.keys(PAYLOADS) as EventName[];
    // Every order of three, from every beginning.
    for (const a of names)
      for (const b of names)
        for (const c of names) {
          const faults = findFaults(translate([a, b, c, a].map((name) => frameOf(name))));
          expect([a, b, c, faults]).toEqual([a, b, c, []]);
        }
  });
});

describe('GET /workspaces/:id/events/stream?profile=agui', () => {
  let test: TestPlatform;
  beforeAll(async () => {
    test = await startPlatform();
  });
  afterAll(async () => {
    await test?.stop();
  });

  it('20.136 speaks AG-UI on the wire, with the id of a recorded event after all that it is told as; another profile is refused', async () => {
    const { id, token } = await createSeat(test);
    const abort = new AbortController();
    const response = await test
      .client(token)
      .raw('GET', `/workspaces/${id}/events/stream?profile=agui`, { signal: abort.signal, timeoutMs: 60_000 });
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += chunk;
    })().catch(() => undefined);
    await waitFor('the stream is open', () => text.startsWith(': ping'));
    await test.client(token).notify({ params: { id }, body: { message: 'Hello there' } });
    await test.admin.patchWorkspace({ params: { id }, body: { name: 'Renamed' } });
    await test.db.tx((trx) =>
      test.platform.events.append(trx, {
        event: 'DELEGATION_COMPLETE',
        workspace_id: id,
        payload: { delegation_id: 'd9', target_id: id, response_preview: 'done' },
      }),
    );
    await waitFor('the delegation is told', () => text.includes('STEP_FINISHED'));
    const frames = text.split('\n\n').flatMap((frame) => {
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      return data === undefined ? [] : [{ id: /^id: (\d+)$/m.exec(frame)?.[1], event: JSON.parse(data) as AguiEvent }];
    });
    for (const { event } of frames) EventSchema.parse(event);
    expect(findFaults(frames.map(({ event }) => event))).toEqual([]);
    expect(frames[0]?.event.type).toBe('RUN_STARTED');
    expect(frames.map(({ event }) => event.type).filter((type) => type.startsWith('TEXT_MESSAGE_'))).toEqual([
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
    ]);
    const steps = frames.filter(({ event }) => event.type.startsWith('STEP_'));
    expect(steps.map(({ event, id: seq }) => [event.type, seq])).toEqual([
      ['STEP_STARTED', undefined],
      ['STEP_FINISHED', expect.stringMatching(/^\d+$/)],
    ]);
    abort.abort();
    await reading;

    const refused = await test.admin.raw('GET', `/workspaces/${id}/events/stream?profile=agui2`);
    expect([refused.status, ((await refused.json()) as { field: string }).field]).toEqual([400, 'profile']);
  });
});
