// Why a workspace has no terminal right now, as far as the canvas knows without asking.

import type { WorkspaceNode } from '../../live/index.ts';

export const EXTERNAL_REASON = 'an external agent runs where the platform has no shell';

const BY_STATUS: Record<string, string> = {
  provisioning: 'the agent is starting',
  failed: 'not running, its start failed',
  offline: 'not running',
  awaiting_agent: 'no agent has made contact yet',
  paused: 'the agent is paused',
  hibernating: 'the agent is going to sleep',
  hibernated: 'the agent is asleep, a message wakes it',
};

/** Null when it is worth a try. */
export function findObstacle({ runtime, status }: Pick<WorkspaceNode, 'runtime' | 'status'>): string | null {
  return runtime === 'external' ? EXTERNAL_REASON : (BY_STATUS[status] ?? null);
}
