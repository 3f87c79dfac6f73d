// What the platform owes to a control plane: machines that may run although no row names them (chapter 10 §7.6). Durable before a
// machine is asked for, so that neither a lost answer nor a crash can leave one behind. How one is ended is the backend's business.

import type { Database } from '../../platform/db/index.ts';
import * as store from './store.ts';

export type { MachineDebt } from './store.ts';

export interface MachineDebts {
  /** Before the request: its machine is the debt of nobody until it stands in a row. `dueMs` = no answer comes later than that. */
  owe(key: string, workspaceId: string, dueMs: number): Promise<void>;
  /** The request ended, and nobody knows how; or it is to be tried again later. */
  makeDue(key: string, inMs: number): Promise<void>;
  /** What was asked for under that key. */
  learn(key: string, instanceId: string): Promise<void>;
  /** It was ended, or never made. */
  pay(key: string): Promise<void>;
  of(workspaceId: string): Promise<store.MachineDebt[]>;
  due(limit: number): Promise<store.MachineDebt[]>;
}

export function createMachineDebts({ kysely }: Database): MachineDebts {
  return {
    owe: (key, workspaceId, dueMs) => store.insertDebt(kysely, key, workspaceId, dueMs),
    makeDue: (key, inMs) => store.setDue(kysely, key, inMs),
    learn: (key, instanceId) => store.setInstance(kysely, key, instanceId),
    pay: (key) => store.deleteDebt(kysely, key),
    of: (workspaceId) => store.listOf(kysely, workspaceId),
    due: (limit) => store.listDue(kysely, limit),
  };
}
