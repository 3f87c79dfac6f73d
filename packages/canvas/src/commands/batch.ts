// One action for several workspaces: whom it applies to, a few at a time, and who is left.

import { getWorkspace, listDescendants, useLive, type WorkspaceNode } from '../live/index.ts';
import { listPausedWith, listRunActions, type RunAction, sendRun } from './lifecycle.ts';

const AT_ONCE = 4;
/** These reach everyone below by themselves. */
const REACHES_DOWN = new Set<RunAction>(['pause', 'resume']);

function isBelowOneOf(node: WorkspaceNode, ids: ReadonlySet<string>): boolean {
  for (let id = node.parent_id; id; id = getWorkspace(id)?.parent_id ?? null) if (ids.has(id)) return true;
  return false;
}

/** Those of the chosen whose status allows the action; none twice, as one below goes with the one above. */
export function listTargets(ids: readonly string[], action: RunAction): WorkspaceNode[] {
  const nodes = ids.flatMap((id) => getWorkspace(id) ?? []).filter((node) => listRunActions(node).includes(action));
  if (!REACHES_DOWN.has(action)) return nodes;
  const chosen = new Set(nodes.map((node) => node.id));
  return nodes.filter((node) => !isBelowOneOf(node, chosen));
}

/** Everyone below the chosen who would be paused with them and was not chosen. */
export function listAlsoPaused(ids: readonly string[]): WorkspaceNode[] {
  const others = new Map<string, WorkspaceNode>();
  for (const target of listTargets(ids, 'pause'))
    for (const node of listPausedWith(target.id)) if (!ids.includes(node.id)) others.set(node.id, node);
  return [...others.values()];
}

/** The chosen that are not below another chosen one: what happens to those happens to everyone below them. */
export function listTopmost(ids: readonly string[]): WorkspaceNode[] {
  const chosen = new Set(ids);
  return ids.flatMap((id) => getWorkspace(id) ?? []).filter((node) => !isBelowOneOf(node, chosen));
}

/** The chosen with everyone below them, each once. */
export function listReached(ids: readonly string[]): WorkspaceNode[] {
  const { model } = useLive.getState();
  return listTopmost(ids).flatMap((node) => [
    node,
    ...listDescendants(model, node.id).flatMap((id) => model.nodes[id] ?? []),
  ]);
}

export interface BatchFailure {
  node: WorkspaceNode;
  error: Error;
}

const MOST_NAMED = 3;

/** `Not restarted: Ann (no backend), Bob (…) and 2 more` */
export function describeFailures(failures: readonly BatchFailure[], done: string): string {
  const named = failures.slice(0, MOST_NAMED).map(({ node, error }) => `${node.name} (${error.message})`);
  const more = failures.length - named.length;
  return `Not ${done}: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** A few at a time. Resolves with those that failed. */
export async function runEach(
  targets: readonly WorkspaceNode[],
  work: (node: WorkspaceNode) => Promise<unknown>,
): Promise<BatchFailure[]> {
  const queue = [...targets];
  const failures: BatchFailure[] = [];
  const worker = async () => {
    for (let node = queue.shift(); node; node = queue.shift()) {
      const own = node;
      await work(own).catch((error: Error) => failures.push({ node: own, error }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failures;
}

/** Resolves with those that failed. */
export const runBatch = (targets: readonly WorkspaceNode[], action: RunAction): Promise<BatchFailure[]> =>
  runEach(targets, ({ id }) => sendRun(id, action, { quiet: true }));
