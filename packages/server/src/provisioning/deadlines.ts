// How long a start may take (chapter 10 §7.7): the operator's word, else the longest any template asks for, never less than usual.

import type { Deadlines } from './store.ts';
import type { Templates } from './templates.ts';

const STANDARD_SECONDS = 600;
/** Its sidecar boots cold for many minutes. */
const LONGER_SECONDS: ReadonlyMap<string, number> = new Map([['hermes', 1_800]]);
/** The window to register outlives the start by this, for an agent that came up in the last moment. */
const ENROLMENT_SLACK_SECONDS = 300;

export function readDeadlines(operatorSeconds: number | null, templates: Templates): Deadlines {
  if (operatorSeconds !== null) return { standard: operatorSeconds, seconds: new Map() };
  const seconds = new Map(LONGER_SECONDS);
  for (const [runtime, milliseconds] of templates.deadlines())
    seconds.set(runtime, Math.max(seconds.get(runtime) ?? STANDARD_SECONDS, Math.ceil(milliseconds / 1000)));
  return { standard: STANDARD_SECONDS, seconds };
}

/** Until when an agent of this runtime, without a token, may register. */
export function enrolmentEnd({ standard, seconds }: Deadlines, runtime: string): Date {
  return new Date(Date.now() + ((seconds.get(runtime) ?? standard) + ENROLMENT_SLACK_SECONDS) * 1000);
}
