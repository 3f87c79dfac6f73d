// What callers and targets of a chaos run write down: a line per step, appended at once, so that a kill costs none.

import { appendFileSync, readFileSync } from 'node:fs';

/** A step of a target: its turn on a message began or ended, in which life of the process. */
export interface TurnLine {
  step: 'begin' | 'end';
  /** What the planned message is called. */
  name: string;
  contextId: string;
  life: string;
  atMs: number;
}

/** The last word a caller got on a message. */
export interface AckLine {
  name: string;
  /** `answered` with the agent's own words, `accepted` for later, or refused for good. */
  ack: 'answered' | 'accepted' | 'refused';
  /** The answer, the id of what was accepted, or the refusal. */
  detail: string;
}

export function appendLine(path: string, line: TurnLine | AckLine): void {
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** Oldest first. */
export function readLines<Line>(path: string): Line[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
}
