// The delegations whose result has reached the agent, on disk, so that a restart delivers none of them again (chapter 40 §7).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../credentials.ts';
import type { Logger } from '../logger.ts';

const FILE = '.delegations_seen.json';
const MOST = 200;
const KEPT = 100;

export interface SeenDelegations {
  /** No earlier run has left a list. */
  readonly isFirstRun: boolean;
  has(id: string): boolean;
  /** Stores the list; with more than 200 only the newest 100 stay. An empty list marks that there was a run. */
  add(ids: readonly string[]): void;
}

/** Unreadable is the same as absent. */
function load(path: string): string[] | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(parsed) ? parsed.filter((id): id is string => typeof id === 'string') : null;
  } catch {
    return null;
  }
}

export function createSeenDelegations(directory: string, log: Logger): SeenDelegations {
  const path = join(directory, FILE);
  const stored = load(path);
  let seen = new Set(stored ?? []);
  let isStored = stored !== null;

  return {
    isFirstRun: stored === null,
    has: (id) => seen.has(id),
    add(ids) {
      if (ids.length === 0 && isStored) return;
      for (const id of ids) seen.add(id);
      if (seen.size > MOST) seen = new Set([...seen].slice(-KEPT));
      try {
        writeAtomically(path, JSON.stringify([...seen]));
        isStored = true;
      } catch (error) {
        log.warn({ err: error }, 'the list of delivered delegations cannot be stored');
      }
    },
  };
}
