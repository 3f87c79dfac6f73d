// What a run of the fault suite needs to know of a backend: what can go wrong in it, and what runs there in the end.

import type { Random } from '@molecule/testkit';

export interface Fault {
  /** Chance among all others. */
  weight: number;
  /** @returns what was struck. */
  strike(): Promise<string> | string;
}

/** A row as the audit reads it. */
export interface AuditedRow {
  id: string;
  status: string;
  instance_id: string | null;
  last_sample_error: string | null;
  /** SHA-256 of its live tokens, in hex. */
  tokens: string[];
}

export interface Stage {
  /** What the platform is told beside its port and its database. */
  env: Record<string, string>;
  /** The sweep whose whole round ends what nobody wants any more. */
  sweep: string;
  /** Longest wait for what only a missing beat, or a later sweep, brings to light; 0 = the first audit has to be clean. */
  patienceMs: number;
  faults: Fault[];
  /** Nothing goes wrong any more. */
  heal(): void;
  /** Names of what runs, by workspace. */
  running(): Map<string, string[]>;
  /** What a row says is its own; null = nothing. */
  recorded(row: AuditedRow): string | null;
  /** The token in the hands of what the row says is its own. */
  heldToken(row: AuditedRow): string | null;
  /** Ends what is left; the platform has ended. */
  stop(): Promise<void>;
}

export interface StageOptions {
  dataDir: string;
  /** Where the platform serves. */
  platformUrl: string;
  random: Random;
}
