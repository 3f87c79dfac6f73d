// What a workspace can do and whom it can talk to.

import { useQuery } from '@tanstack/react-query';
import { api } from '../../app/api.ts';
import { listSkills } from '../../canvas/card-facts.ts';
import { select, type WorkspaceNode } from '../../live/index.ts';
import { StatusGlyph } from '../../ui/index.ts';
import { Section } from './section.tsx';

export function Skills({ node }: { node: WorkspaceNode }) {
  const skills = listSkills(node.agent_card);
  if (skills.length === 0) return null;
  return (
    <Section title="Skills">
      <ul className="peers">
        {skills.map((skill) => (
          <li key={skill} className="tag">
            {skill}
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function Peers({ node }: { node: WorkspaceNode }) {
  const isReachable = node.status === 'online' || node.status === 'degraded';
  const peers = useQuery({
    queryKey: ['peers', node.id, node.parent_id],
    enabled: isReachable,
    queryFn: () => api.listPeers({ params: { id: node.id } }),
  });
  if (!isReachable || !peers.data?.length) return null;
  return (
    <Section title="Can talk to">
      <ul className="peers">
        {peers.data.map((peer) => (
          <li key={peer.id}>
            <button type="button" className="tag line peer" onClick={() => select(peer.id)}>
              <StatusGlyph status={peer.status} size={10} /> {peer.name}
            </button>
          </li>
        ))}
      </ul>
    </Section>
  );
}
