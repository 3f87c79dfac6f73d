// How a call of the platform to its backend goes wrong: refused, hanging, broken off, slow, or done without the answer arriving.
// Each fault waits for the next call, whichever that is.

import type { ServerResponse } from 'node:http';
import type { ControlPlaneFault, ControlPlaneReply, Random } from '@molecule/testkit';

/** A hanging call breaks off by itself then: shorter than the platform's own patience, so that a run ends. */
const MOST_HANG_MS = 15_000;
const MOST_SLOW_MS = 3_000;
/** One look at the backend in trouble rarely meets one call alone. */
const MOST_AT_ONCE = 3;

export const pause = (milliseconds: number) =>
  new Promise<void>((resolve) =>
    AbortSignal.timeout(Math.ceil(milliseconds)).addEventListener('abort', () => resolve()),
  );

export interface BackendCalls {
  /** Answers every call. */
  fault: ControlPlaneFault;
  /** The next calls fail so. @returns how. */
  strike(): string;
  /** Calls are answered well from now on, and those that hang break off. */
  heal(): void;
}

interface FailingCall {
  response: ServerResponse;
  perform(): ControlPlaneReply;
  /** Of the longest it may take; drawn with the fault, so that the order of calls changes nothing else. */
  share: number;
}
type Failure = (call: FailingCall) => unknown;

export function createBackendCalls(random: Random): BackendCalls {
  const armed: { kind: string; share: number }[] = [];
  const hanging = new Set<ServerResponse>();

  const send = (response: ServerResponse, { status, body }: ControlPlaneReply) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

  function sendHalf(response: ServerResponse, { status, body }: ControlPlaneReply): void {
    const text = JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length });
    response.write(text.slice(0, text.length / 2), () => response.destroy());
  }

  const KINDS: Record<string, Failure> = {
    'is answered 500': ({ response }) => send(response, { status: 500, body: { error: 'out of order' } }),
    'is answered 503': ({ response }) => send(response, { status: 503, body: { error: 'busy' } }),
    'is answered 429': ({ response }) => send(response, { status: 429, body: { error: 'too many' } }),
    'hangs, and nothing is done': (call) => hang(call),
    'hangs after it was done'(call) {
      call.perform();
      return hang(call);
    },
    'is broken off before it was done': ({ response }) => response.destroy(),
    'is done, and the answer never arrives'({ response, perform }) {
      perform();
      response.destroy();
    },
    'is done, and half of the answer arrives': ({ response, perform }) => sendHalf(response, perform()),
    async 'is slow to be done'({ response, perform, share }) {
      await pause(share * MOST_SLOW_MS);
      send(response, perform());
    },
    async 'is done, and the answer is slow'({ response, perform, share }) {
      const reply = perform();
      await pause(share * MOST_SLOW_MS);
      send(response, reply);
    },
  };

  async function hang({ response, share }: FailingCall): Promise<void> {
    hanging.add(response);
    await pause(share * MOST_HANG_MS);
    hanging.delete(response);
    response.destroy();
  }

  return {
    fault(response, _request, perform) {
      const next = armed.shift();
      if (next === undefined) send(response, perform());
      else KINDS[next.kind]?.({ response, perform, share: next.share });
    },
    strike() {
      const kind = random.pick(Object.keys(KINDS));
      const count = 1 + random.below(MOST_AT_ONCE);
      armed.push(...Array.from({ length: count }, () => ({ kind, share: random.next() })));
      return `the next ${count} calls to the backend: each ${kind}`;
    },
    heal() {
      armed.length = 0;
      for (const response of hanging) response.destroy();
    },
  };
}
