// The organisation as rows of a tree: pure order, depth and guides.

import type { WorkspaceNode } from '../live/index.ts';

export interface Row {
  node: WorkspaceNode;
  depth: number;
  below: number;
  /** Per level above: whether the guide goes on below this row. */
  guides: readonly boolean[];
}

type Parents = ReadonlyMap<string | null, readonly WorkspaceNode[]>;

/** Children by parent; a missing or circular parent makes a root. */
function groupByParent(workspaces: readonly WorkspaceNode[]): Parents {
  const known = new Map(workspaces.map((node) => [node.id, node]));
  const groups = new Map<string | null, WorkspaceNode[]>();
  for (const node of workspaces) {
    let top: string | null = node.parent_id;
    const seen = new Set([node.id]);
    while (top !== null && known.has(top) && !seen.has(top)) {
      seen.add(top);
      top = known.get(top)?.parent_id ?? null;
    }
    const isSound = node.parent_id !== null && known.has(node.parent_id) && top !== node.id;
    const parent = isSound ? node.parent_id : null;
    const group = groups.get(parent) ?? [];
    group.push(node);
    groups.set(parent, group);
  }
  return groups;
}

function countBelow(parents: Parents, id: string): number {
  return (parents.get(id) ?? []).reduce((total, child) => total + 1 + countBelow(parents, child.id), 0);
}

/** Rows in tree order. Folded teams hide what is below. */
export function listRows(workspaces: readonly WorkspaceNode[]): Row[] {
  const parents = groupByParent(workspaces);
  const rows: Row[] = [];
  const walk = (parent: string | null, depth: number, guides: readonly boolean[]) => {
    const list = parents.get(parent) ?? [];
    for (const [at, node] of list.entries()) {
      const own = depth > 0 ? [...guides, at < list.length - 1] : [];
      rows.push({ node, depth, below: countBelow(parents, node.id), guides: own });
      if (!node.collapsed) walk(node.id, depth + 1, own);
    }
  };
  walk(null, 0, []);
  return rows;
}

/** Only one status, without the tree: its lines would lead to rows that are not there. */
export function filterRows(workspaces: readonly WorkspaceNode[], status: string): Row[] {
  const parents = groupByParent(workspaces);
  return workspaces
    .filter((node) => node.status === status)
    .map((node) => ({ node, depth: 0, below: countBelow(parents, node.id), guides: [] }));
}
