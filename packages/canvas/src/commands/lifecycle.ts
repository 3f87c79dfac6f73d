// Starting, stopping and putting away a workspace: what its status allows, the calls, and the words for every outcome.
// Nothing is shown before it happened: a status follows from the platform's event. Confirmations are dialogs/lifecycle-dialogs.

import { ApiError } from '@molecule/contract';
import { create } from 'zustand';
import { api } from '../app/api.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { getWorkspace, listDescendants, rehydrate, select, useLive, type WorkspaceNode } from '../live/index.ts';
import { toast } from '../ui/index.ts';

export type RunAction = 'restart' | 'pause' | 'resume' | 'hibernate';

/** A stop may take its grace period once per workload. */
const STOP_TIMEOUT_MS = 60_000;

const ALLOWED: Record<string, readonly RunAction[]> = {
  provisioning: ['restart', 'pause'],
  online: ['restart', 'pause', 'hibernate'],
  degraded: ['restart', 'pause', 'hibernate'],
  offline: ['restart', 'pause'],
  failed: ['restart', 'pause'],
  awaiting_agent: ['pause'],
  paused: ['resume'],
  hibernating: [],
  hibernated: ['restart', 'pause'],
};
/** Only their owners start and stop external agents. */
const NOT_EXTERNAL = new Set<RunAction>(['restart', 'hibernate']);

/** What can be done in this status, the most likely first; nothing in a status this version does not know. */
export function listRunActions({ status, runtime }: Pick<WorkspaceNode, 'status' | 'runtime'>): RunAction[] {
  const actions = ALLOWED[status] ?? [];
  return actions.filter((action) => runtime !== 'external' || !NOT_EXTERNAL.has(action));
}

const RESTART_WORDS: Record<string, string> = { failed: 'Retry', hibernated: 'Wake' };
const WORDS: Record<Exclude<RunAction, 'restart'>, string> = {
  pause: 'Pause',
  resume: 'Resume',
  hibernate: 'Hibernate',
};

export function runWord(action: RunAction, status: string): string {
  return action === 'restart' ? (RESTART_WORDS[status] ?? 'Restart') : WORDS[action];
}

/** Who a pause of `id` puts away beside itself. */
export function listPausedWith(id: string): WorkspaceNode[] {
  const { model } = useLive.getState();
  return listDescendants(model, id)
    .flatMap((each) => model.nodes[each] ?? [])
    .filter((node) => node.status !== 'paused');
}

export interface Refusal {
  text: string;
  /** The way out, where there is one. */
  link: { label: string; run(): void } | null;
  /** The status it was refused in; in another one it is history. */
  status: string;
}

interface Runs {
  busy: Readonly<Record<string, RunAction>>;
  refusals: Readonly<Record<string, Refusal>>;
}
export const useRuns = create<Runs>(() => ({ busy: {}, refusals: {} }));

function without<T>(record: Readonly<Record<string, T>>, id: string): Record<string, T> {
  const { [id]: _gone, ...rest } = record;
  return rest;
}

/** The paused workspace a refusal names: itself or the nearest of that name above it. */
function findPaused(node: WorkspaceNode, name: unknown): WorkspaceNode | null {
  for (let at: WorkspaceNode | undefined = node; at; at = at.parent_id ? getWorkspace(at.parent_id) : undefined)
    if (at.name === name) return at;
  return null;
}

export const DONE_WORDS: Record<RunAction, string> = {
  restart: 'restarted',
  pause: 'paused',
  resume: 'resumed',
  hibernate: 'put to sleep',
};

export function describeRefusal(node: WorkspaceNode, action: RunAction, error: Error): Refusal {
  const paused = error instanceof ApiError ? findPaused(node, error.body.paused) : null;
  const link =
    paused && paused.id !== node.id ? { label: `Open ${paused.name}`, run: () => select(paused.id, 'details') } : null;
  return { text: `${node.name} could not be ${DONE_WORDS[action]}: ${error.message}`, link, status: node.status };
}

const withOthers = (name: string, count: number) => (count > 1 ? `${name} and ${count - 1} below` : name);

export interface RunOptions {
  /** A sleep does not wait for running tasks. */
  force?: boolean;
  /** A restart begins with a clear session. */
  reset?: boolean;
  /** The caller says the outcome. */
  quiet?: boolean;
}
interface Outcome {
  kind: 'info' | 'success' | 'error';
  text: string;
}

/** Each resolves with what to say, and throws what the platform answered instead. */
const SEND: Record<RunAction, (node: Pick<WorkspaceNode, 'id' | 'name'>, how: RunOptions) => Promise<Outcome>> = {
  async restart({ id, name }, { reset = false }) {
    const isAsleep = getWorkspace(id)?.status === 'hibernated';
    await api.restartWorkspace({ params: { id }, query: { reset }, body: {} });
    return { kind: 'info', text: isAsleep ? `Waking ${name}` : `Restarting ${name}` };
  },
  async pause({ id, name }) {
    const { paused_count: count, stop_failures: left } = await api.pauseWorkspace({
      params: { id },
      timeoutMs: STOP_TIMEOUT_MS,
    });
    const who = withOthers(name, count);
    if (!left) return { kind: 'success', text: `${who} paused` };
    const them = left === 1 ? 'it' : 'them';
    return {
      kind: 'error',
      text: `${who} paused, but ${left} may still run. The platform goes on trying to stop ${them}.`,
    };
  },
  async resume({ id, name }) {
    const { resumed_count: count } = await api.resumeWorkspace({ params: { id } });
    return { kind: 'info', text: `Resuming ${withOthers(name, count)}` };
  },
  async hibernate({ id, name }, { force = false }) {
    await api.hibernateWorkspace({ params: { id }, query: { force }, timeoutMs: STOP_TIMEOUT_MS });
    return { kind: 'success', text: `${name} sleeps. A message wakes it.` };
  },
};

/** Sends it; meanwhile every button of the workspace is locked. Rejects with the platform's answer. */
export async function sendRun(id: string, action: RunAction, how: RunOptions = {}): Promise<void> {
  const node = getWorkspace(id) ?? { id, name: 'The agent' };
  useRuns.setState((runs) => ({ busy: { ...runs.busy, [id]: action }, refusals: without(runs.refusals, id) }));
  try {
    const { kind, text } = await SEND[action](node, how);
    // That something may still run is never kept quiet.
    if (!how.quiet || kind === 'error') toast[kind](text);
  } finally {
    useRuns.setState((runs) => ({ busy: without(runs.busy, id) }));
  }
}

function refuse(node: WorkspaceNode, refusal: Refusal, inPanel: boolean): void {
  if (inPanel) useRuns.setState((runs) => ({ refusals: { ...runs.refusals, [node.id]: refusal } }));
  else toast.error(refusal.text, refusal.link ?? undefined);
}

/**
 * What a button or a menu item does: asks first where others are affected, says every outcome. A refusal stands in the panel
 * when the button does, else in a toast.
 */
export function run(
  id: string,
  action: RunAction,
  { inPanel = false, ...how }: RunOptions & { inPanel?: boolean } = {},
): void {
  const node = getWorkspace(id);
  if (!node) return;
  if (action === 'pause' && listPausedWith(id).length > 0) {
    openDialog({ kind: 'pause', id });
    return;
  }
  sendRun(id, action, how).catch((error: Error) => {
    if (error instanceof ApiError && error.code === 'tasks_running') {
      openDialog({ kind: 'hibernate', id, tasks: Number(error.body.active_tasks ?? 1) });
      return;
    }
    refuse(node, describeRefusal(node, action, error), inPanel);
    // The platform judged by a status this picture may not have.
    void rehydrate();
  });
}

/** Restarts a workspace that may not be in the picture any more. */
export function restart({ id, name }: Pick<WorkspaceNode, 'id' | 'name'>): void {
  if (getWorkspace(id)) run(id, 'restart');
  else sendRun(id, 'restart').catch((error: Error) => toast.error(`${name} could not be restarted: ${error.message}`));
}
