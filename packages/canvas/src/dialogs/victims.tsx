// Who is affected by a change that reaches further than one workspace, and how many of them did not stop.

import { ApiError } from '@molecule/contract';
import type { WorkspaceNode } from '../live/index.ts';
import { StatusGlyph } from '../ui/index.ts';

/** Workloads a removal could not stop; null when the error is about something else. */
export function countStopFailures(error: unknown): number | null {
  if (!(error instanceof ApiError) || error.code !== 'stop_failures') return null;
  return Number(error.body.stop_failures) || 1;
}

export function Victims({ nodes, label }: { nodes: readonly WorkspaceNode[]; label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled list has to be reached by keyboard
    <ul className="victims scroll" aria-label={label} tabIndex={0}>
      {nodes.map((node) => (
        <li key={node.id} className="row">
          <StatusGlyph status={node.status} size={10} /> <span className="clip">{node.name}</span>
        </li>
      ))}
    </ul>
  );
}
