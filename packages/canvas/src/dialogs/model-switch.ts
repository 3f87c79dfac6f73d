// Moves scripted seats to a model: runtime, model if one is named, restart; a few at once. Each seat has its own outcome, and a
// seat that could not be changed never keeps the others from it.

import { create } from 'zustand';
import { api } from '../app/api.ts';
import { applyFields, type WorkspaceNode } from '../live/index.ts';

export const MODEL_RUNTIME = 'ai-sdk';
const AT_ONCE = 3;
/** They take their new runtime when they are resumed or woken. */
const AT_REST = new Set(['paused', 'hibernating', 'hibernated']);

export type Step =
  | { at: 'waiting' }
  | { at: 'changing' }
  /** Changed and told to start; the status tells the rest. */
  | { at: 'started' }
  | { at: 'later' }
  | { at: 'refused'; error: string };

/** What a row of the list says, and whether it is over. */
export type SwitchOutcome = { state: 'waiting' | 'working' | 'done' | 'later' } | { state: 'failed'; error: string };

export function outcomeOf(
  step: Step,
  node: Pick<WorkspaceNode, 'runtime' | 'status' | 'last_sample_error'>,
): SwitchOutcome {
  switch (step.at) {
    case 'waiting':
      return { state: 'waiting' };
    case 'changing':
      return { state: 'working' };
    case 'later':
      return { state: 'later' };
    case 'refused':
      return { state: 'failed', error: step.error };
    case 'started':
      // Until the platform says that it starts, the status is the one of the scripted agent.
      if (node.runtime !== MODEL_RUNTIME) return { state: 'working' };
      if (node.status === 'online') return { state: 'done' };
      if (node.status === 'failed' || node.status === 'degraded' || node.status === 'offline')
        return { state: 'failed', error: node.last_sample_error?.trim() || 'No details reported' };
      return { state: 'working' };
  }
}

export const useSwitch = create<{ steps: Readonly<Record<string, Step>> }>(() => ({ steps: {} }));

const setStep = (id: string, step: Step) => useSwitch.setState(({ steps }) => ({ steps: { ...steps, [id]: step } }));

async function switchOne({ id, status }: WorkspaceNode, model: string): Promise<Step> {
  const params = { id };
  await api.patchWorkspace({ params, body: { runtime: MODEL_RUNTIME } });
  // Naming a model restarts the seat by itself.
  if (model) await api.putModel({ params, body: { model } });
  if (AT_REST.has(status)) {
    applyFields(id, { runtime: MODEL_RUNTIME });
    return { at: 'later' };
  }
  if (!model) await api.restartWorkspace({ params, body: {} });
  return { at: 'started' };
}

/** Resolves when each seat was told; how they come up is in `outcomeOf`. */
export async function switchToModel(nodes: readonly WorkspaceNode[], model: string): Promise<void> {
  for (const { id } of nodes) setStep(id, { at: 'waiting' });
  const queue = [...nodes];
  const worker = async () => {
    for (let node = queue.shift(); node; node = queue.shift()) {
      setStep(node.id, { at: 'changing' });
      const step = await switchOne(node, model).catch(
        (error: Error): Step => ({ at: 'refused', error: error.message }),
      );
      setStep(node.id, step);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
