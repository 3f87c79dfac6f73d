// The side panel of the selected workspace: who it is, its tabs, and a way out. On a phone it is a sheet over the list.

import { ChevronLeft, Maximize2, Minimize2, MoreHorizontal, X } from 'lucide-react';
import { useEffect } from 'react';
import { useNarrow } from '../app/use-media.ts';
import { listNodeMenu } from '../commands/index.ts';
import { type PanelTab, select, useSelection, useWorkspace, type WorkspaceNode } from '../live/index.ts';
import { ErrorBoundary, Icon, IconButton, Menu, plural, StatusGlyph, StatusTag, Tabs, TierBadge } from '../ui/index.ts';
import { ActivityTab } from './activity/activity-tab.tsx';
import { ChatTab } from './chat/chat-tab.tsx';
import { DetailsTab } from './details/details-tab.tsx';
import { setPanelFull, usePanelSize } from './panel-size.ts';
import { ResizeHandle } from './resize-handle.tsx';
import { TroubleNote } from './trouble-note.tsx';
import './panel.css';

const TABS = [
  { id: 'chat', label: 'Chat' },
  { id: 'activity', label: 'Activity' },
  { id: 'details', label: 'Details' },
] as const satisfies readonly { id: PanelTab; label: string }[];

function countSkills(card: unknown): number {
  const skills = (card as { skills?: unknown } | null)?.skills;
  return Array.isArray(skills) ? skills.length : 0;
}

function Title({ node, isFull }: { node: WorkspaceNode; isFull: boolean }) {
  const isNarrow = useNarrow();
  return (
    <div className="p-title">
      {isNarrow && (
        <IconButton label="Back to the agents" onClick={() => select(null)}>
          <Icon of={ChevronLeft} />
        </IconButton>
      )}
      <StatusGlyph status={node.status} size={14} />
      <h2 className="grow clip" title={node.name}>
        {node.name}
      </h2>
      <Menu groups={listNodeMenu(node)}>
        <IconButton label="More actions">
          <Icon of={MoreHorizontal} />
        </IconButton>
      </Menu>
      {!isNarrow && (
        <>
          <IconButton label={isFull ? 'Dock the panel' : 'Expand the panel'} onClick={() => setPanelFull(!isFull)}>
            <Icon of={isFull ? Minimize2 : Maximize2} />
          </IconButton>
          <IconButton label="Close the panel" shortcut="Esc" onClick={() => select(null)}>
            <Icon of={X} />
          </IconButton>
        </>
      )}
    </div>
  );
}

function Pills({ node }: { node: WorkspaceNode }) {
  const skills = countSkills(node.agent_card);
  return (
    <div className="p-pills">
      <StatusTag status={node.status} />
      <span className="tag line">
        <TierBadge tier={node.tier} />
      </span>
      <span className="tag line mono">{node.runtime === 'external' ? '★ remote' : node.runtime}</span>
      {skills > 0 && <span className="tag line num">{plural(skills, 'skill')}</span>}
    </div>
  );
}

export function SidePanel() {
  const { id, tab } = useSelection();
  const node = useWorkspace(id);
  const isFull = usePanelSize((state) => state.full);
  useEffect(() => () => setPanelFull(false), []);
  if (!node) return null;
  return (
    <aside className={`panel ${isFull ? 'full' : ''}`} data-testid="panel" aria-label={`${node.name} workspace`}>
      {!isFull && <ResizeHandle />}
      <header className="p-head">
        <Title node={node} isFull={isFull} />
        <Pills node={node} />
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
