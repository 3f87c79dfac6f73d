// Who may talk to whom (chapter 10 §1.4, chapter 20 §1.3): self, siblings, and ancestors with descendants.
// Walks cached facts, so a call costs no query.

import { platformUnavailable } from '../platform/errors.ts';
import type { WorkspaceFacts } from '../workspaces/index.ts';

const MOST_HOPS = 32;

/** @throws platform_unavailable when the tree cannot be read: that is no refusal, and may be asked again. */
export type CanCommunicate = (a: string, b: string) => Promise<boolean>;

export function createHierarchy(facts: (id: string) => Promise<WorkspaceFacts | null>): CanCommunicate {
  /** True when `ancestorId` stands above `node`. A parent cycle ends after 32 hops. */
  async function isAbove(ancestorId: string, node: WorkspaceFacts): Promise<boolean> {
    let parentId = node.parentId;
    for (let hop = 0; parentId !== null && hop < MOST_HOPS; hop += 1) {
      if (parentId === ancestorId) return true;
      parentId = (await facts(parentId))?.parentId ?? null;
    }
    return false;
  }

  return async function canCommunicate(a, b) {
    try {
      const [first, second] = await Promise.all([facts(a), facts(b)]);
      if (!first || !second || first.status === 'removed' || second.status === 'removed') return false;
      if (a === b || first.parentId === second.parentId) return true;
      return (await isAbove(a, second)) || (await isAbove(b, first));
    } catch (error) {
      throw platformUnavailable(error, 'who may talk to whom');
    }
  };
}
