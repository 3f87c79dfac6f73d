// Tokens of the selected workspace, or of another one that is chosen here.

import { useState } from 'react';
import { useSelection, useWorkspaces } from '../../live/index.ts';
import { WorkspaceTokens } from '../../tokens/workspace-tokens.tsx';
import { SelectField } from '../../ui/index.ts';
import { SectionHead } from './section-parts.tsx';

export function WorkspaceTokensSection() {
  const workspaces = useWorkspaces();
  const { id: selected } = useSelection();
  const [chosen, setChosen] = useState(selected);
  const node = workspaces.find((each) => each.id === chosen) ?? workspaces[0];
  return (
    <section aria-label="Workspace tokens">
      <SectionHead
        title="Workspace tokens"
        lead="An agent shows its token to act as its workspace. Values are shown once."
      />
      {node ? (
        <div className="form">
          <SelectField label="Workspace" value={node.id} onChange={(event) => setChosen(event.target.value)}>
            {workspaces.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name}
              </option>
            ))}
          </SelectField>
          <WorkspaceTokens key={node.id} node={node} />
        </div>
      ) : (
        <p className="hint">There is no workspace yet.</p>
      )}
    </section>
  );
}
