// The calls of this replica that a repeat can join: from the moment they are known to be no repeat themselves until their answer can
// be read from the log.

import type { Attempt, ProxyOutcome } from '../call.ts';
import { addressOf, contentOf } from './identity.ts';

export interface OpenCall {
  /** Null once it is over: what a map held once may stay reachable until the next full collection, so no request hangs on it. */
  attempt: Attempt | null;
  /** Rejects with what refused the call. */
  outcome: Promise<ProxyOutcome> | null;
  /** Another message under the same id. */
  next: OpenCall | null;
}

export function createOpenCalls() {
  const calls = new Map<string, OpenCall>();

  return {
    find(attempt: Attempt): OpenCall | null {
      let call = calls.get(addressOf(attempt)) ?? null;
      if (!call) return null;
      const content = contentOf(attempt);
      while (call && !(call.attempt && contentOf(call.attempt) === content)) call = call.next;
      return call;
    },
    add(attempt: Attempt, outcome: Promise<ProxyOutcome>): OpenCall {
      const address = addressOf(attempt);
      const call: OpenCall = { attempt, outcome, next: calls.get(address) ?? null };
      calls.set(address, call);
      return call;
    },
    remove(call: OpenCall): void {
      if (!call.attempt) return;
      const address = addressOf(call.attempt);
      const first = calls.get(address);
      if (first === call) {
        if (call.next) calls.set(address, call.next);
        else calls.delete(address);
      } else {
        let before = first;
        while (before && before.next !== call) before = before.next ?? undefined;
        if (before) before.next = call.next;
      }
      call.attempt = null;
      call.outcome = null;
      call.next = null;
    },
    list: (): Attempt[] =>
      [...calls.values()].flatMap((first) => {
        const attempts: Attempt[] = [];
        for (let call: OpenCall | null = first; call; call = call.next) if (call.attempt) attempts.push(call.attempt);
        return attempts;
      }),
  };
}
