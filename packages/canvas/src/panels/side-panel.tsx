// The side panel of the selected workspace: who it is, its tabs, and a way out.

import { MoreHorizontal, X } from 'lucide-react';
import { useRef } from 'react';
import { listNodeMenu } from '../commands/index.ts';
import { type PanelTab, select, useSelection, useWorkspace } from '../live/index.ts';
import { ErrorBoundary, Icon, IconButton, Menu, StatusGlyph, StatusTag, Tabs, TierBadge } from '../ui/index.ts';
import { ActivityTab } from './activity/activity-tab.tsx';
import { ChatTab } from './chat/chat-tab.tsx';
import { DetailsTab } from './details/details-tab.tsx';
import { ResizeHandle } from './resize-handle.tsx';
import { TroubleNote } from './trouble-note.tsx';
import './panels.css';

const TABS = [
  { id: 'chat', label: 'Chat' },
  { id: 'activity', label: 'Activity' },
  { id: 'details', label: 'Details' },
] as const satisfies readonly { id: PanelTab; label: string }[];

function countSkills(card: unknown): number {
  const skills = (card as { skills?: unknown } | null)?.skills;
  return Array.isArray(skills) ? skills.length : 0;
}

export function SidePanel() {
  const { id, tab } = useSelection();
  const node = useWorkspace(id);
  const panel = useRef<HTMLElement>(null);
  if (!node) return null;
  const skills = countSkills(node.agent_card);
  return (
    <aside className="panel" ref={panel} data-testid="panel" aria-label={`${node.name} workspace`}>
      <ResizeHandle panel={panel} />
      <header className="p-head">
        <div className="p-title">
          <StatusGlyph status={node.status} />
          <h2 className="grow clip" title={node.name}>
            {node.name}
          </h2>
          <Menu groups={listNodeMenu(node)}>
            <IconButton label="More actions">
              <Icon of={MoreHorizontal} />
            </IconButton>
          </Menu>
          <IconButton label="Close the panel" shortcut="Esc" onClick={() => select(null)}>
            <Icon of={X} />
          </IconButton>
        </div>
        <div className="p-pills">
          <StatusTag status={node.status} />
          <span className="tag line">
            <TierBadge tier={node.tier} />
          </span>
          <span className="tag line mono">{node.runtime === 'external' ? '★ remote' : node.runtime}</span>
          {skills > 0 && <span className="tag line">{skills === 1 ? '1 skill' : `${skills} skills`}</span>}
        </div>
      </header>
      <Tabs tabs={TABS} active={tab} label="Sections" className="p-tabs" onChange={(next) => select(node.id, next)} />
      <TroubleNote node={node} />
      <div
        className="p-body"
        role="tabpanel"
        id={`panel-${tab}`}
        data-testid={`panel-${tab}`}
        aria-label={TABS.find((one) => one.id === tab)?.label}
      >
        <ErrorBoundary title="This tab stopped" resetKey={`${node.id}:${tab}`}>
          {tab === 'chat' && <ChatTab node={node} />}
          {tab === 'activity' && <ActivityTab node={node} />}
          {tab === 'details' && <DetailsTab node={node} />}
        </ErrorBoundary>
      </div>
    </aside>
  );
}
