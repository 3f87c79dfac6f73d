// Events of one workspace as AG-UI events (chapter 20 §6.4), for front ends that speak that protocol. One translator per stream:
// the protocol wants every event inside a run and every step closed, which a stream that begins in the middle does not give.

import { randomUUID } from 'node:crypto';
import type { EventFrame, EventPayload } from '@molecule/contract';

/** The members each type has beside `type` and `timestamp`, by the published schema. */
export type AguiEvent = { timestamp: number } & (
  | { type: 'RUN_STARTED'; threadId: string; runId: string }
  | { type: 'RUN_FINISHED'; threadId: string; runId: string; result?: unknown }
  | { type: 'RUN_ERROR'; message: string }
  | { type: 'TEXT_MESSAGE_START'; messageId: string; role: 'assistant' }
  | { type: 'TEXT_MESSAGE_CONTENT'; messageId: string; delta: string }
  | { type: 'TEXT_MESSAGE_END'; messageId: string }
  | { type: 'STATE_DELTA'; delta: { op: 'add'; path: string; value: unknown }[] }
  | { type: 'STEP_STARTED' | 'STEP_FINISHED'; stepName: string }
  | { type: 'CUSTOM'; name: string; value: unknown }
);

type Untimed<E> = E extends unknown ? Omit<E, 'timestamp'> : never;
type Said = Untimed<AguiEvent>;

/** @returns a function that tells what one event is in AG-UI: one event or several, in order. */
export function createAguiTranslator(workspaceId: string): (frame: EventFrame) => AguiEvent[] {
  let runId: string | null = null;
  const steps = new Set<string>();

  function beginRun(): Said[] {
    if (runId !== null) return [];
    runId = randomUUID();
    return [{ type: 'RUN_STARTED', threadId: workspaceId, runId }];
  }

  /** A step still open would make the end of the run invalid; what it waits for comes in a run of its own. */
  function endRun(last: (id: string) => Said): Said[] {
    const open = [...steps].map((stepName): Said => ({ type: 'STEP_FINISHED', stepName }));
    const ended = [...open, last(runId ?? '')];
    steps.clear();
    runId = null;
    return ended;
  }

  function beginStep(stepName: string): Said[] {
    if (steps.has(stepName)) return [];
    steps.add(stepName);
    return [{ type: 'STEP_STARTED', stepName }];
  }

  function endStep(stepName: string): Said[] {
    const begun = beginStep(stepName);
    steps.delete(stepName);
    return [...begun, { type: 'STEP_FINISHED', stepName }];
  }

  function sayMessage(payload: EventPayload<'AGENT_MESSAGE'>): Said[] {
    const messageId = payload.activity_id ?? randomUUID();
    return [
      { type: 'TEXT_MESSAGE_START', messageId, role: 'assistant' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId, delta: payload.message },
      { type: 'TEXT_MESSAGE_END', messageId },
      // A text message has no place for files.
      ...(payload.attachments ? [{ type: 'CUSTOM' as const, name: 'AGENT_MESSAGE', value: payload }] : []),
    ];
  }

  function say(frame: EventFrame): Said[] {
    switch (frame.event) {
      case 'AGENT_MESSAGE':
        return sayMessage(frame.payload);
      case 'A2A_RESPONSE': {
        const { response_body: result } = frame.payload;
        return endRun((id) => ({ type: 'RUN_FINISHED', threadId: workspaceId, runId: id, result }));
      }
      case 'WORKSPACE_PROVISION_FAILED': {
        const { error: message } = frame.payload;
        return endRun(() => ({ type: 'RUN_ERROR', message }));
      }
      case 'TASK_UPDATED': {
        const { current_task, active_tasks } = frame.payload;
        const delta = Object.entries({ current_task, active_tasks }).map(([name, value]) => ({
          op: 'add' as const,
          path: `/${name}`,
          value,
        }));
        return [{ type: 'STATE_DELTA', delta }];
      }
      case 'DELEGATION_SENT':
        return beginStep(frame.payload.delegation_id);
      case 'DELEGATION_COMPLETE':
      case 'DELEGATION_FAILED':
        return endStep(frame.payload.delegation_id);
      default:
        return [{ type: 'CUSTOM', name: frame.event, value: frame.payload }];
    }
  }

  return (frame) => {
    const timestamp = Date.parse(frame.timestamp);
    return [...beginRun(), ...say(frame)].map((said) => ({ ...said, timestamp }));
  };
}
