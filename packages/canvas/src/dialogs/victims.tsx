// Who is affected by a change that reaches further than one workspace.

import type { WorkspaceNode } from '../live/index.ts';
import { StatusGlyph } from '../ui/index.ts';

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
