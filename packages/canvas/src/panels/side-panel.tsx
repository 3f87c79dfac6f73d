// The side panel of the selected workspace: who it is, its tabs, and a way out. On a phone it is a sheet over the list.

import { ChevronLeft, Maximize2, Minimize2, MoreHorizontal, X } from 'lucide-react';
import { lazy, Suspense, useEffect } from 'react';
import { useNarrow } from '../app/use-media.ts';
import { listNodeMenu } from '../commands/index.ts';
import { type PanelTab, select, useSelection, useWorkspace, type WorkspaceNode } from '../live/index.ts';
import {
  ErrorBoundary,
  Icon,
  IconButton,
  Menu,
  plural,
  StatusGlyph,
  StatusTag,
  type Tab,
  Tabs,
  TierBadge,
} from '../ui/index.ts';
import { ActivityTab } from './activity/activity-tab.tsx';
import { ChatTab } from './chat/chat-tab.tsx';
import { DetailsTab } from './details/details-tab.tsx';
import { setPanelFull, usePanelSize } from './panel-size.ts';
import { ResizeHandle } from './resize-handle.tsx';
import { EXTERNAL_REASON } from './terminal/obstacles.ts';
import { TroubleNote } from './trouble-note.tsx';
import './panel.css';

const TerminalTab = lazy(() =>
  import('./terminal/terminal-tab.tsx').then((module) => ({ default: module.TerminalTab })),
);

const FilesTab = lazy(() => import('./files/files-tab.tsx').then((module) => ({ default: module.FilesTab })));

const ScheduleTab = lazy(() =>
  import('./schedule/schedule-tab.tsx').then((module) => ({ default: module.ScheduleTab })),
);

const TABS = [
  { id: 'chat', label: 'Chat' },
  { id: 'activity', label: 'Activity' },
  { id: 'details', label: 'Details' },
  { id: 'terminal', label: 'Terminal' },
  { id: 'schedule', label: 'Schedule' },
  { id: 'files', label: 'Files' },
] as const satisfies readonly { id: PanelTab; label: string }[];

const NOT_EXTERNAL: Partial<Record<PanelTab, string>> = {
  terminal: `Unavailable: ${EXTERNAL_REASON}`,
  files: 'Unavailable: the files of an external agent are where it runs',
};

/** What does not apply to a workspace is shown, and says why. */
const listTabs = ({ runtime }: WorkspaceNode): readonly Tab<PanelTab>[] =>
  TABS.map((tab) => ({ ...tab, disabledReason: runtime === 'external' ? NOT_EXTERNAL[tab.id] : undefined }));

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
      <Tabs
        tabs={listTabs(node)}
        active={tab}
        label="Sections"
        className="p-tabs"
        onChange={(next) => select(node.id, next)}
      />
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
          {tab === 'terminal' && (
            <Suspense fallback={null}>
              <TerminalTab key={node.id} node={node} />
            </Suspense>
          )}
          {tab === 'schedule' && (
            <Suspense fallback={null}>
              <ScheduleTab key={node.id} node={node} />
            </Suspense>
          )}
          {tab === 'files' && (
            <Suspense fallback={null}>
              {node.runtime === 'external' ? (
                <p className="tab-empty">{NOT_EXTERNAL.files}</p>
              ) : (
                <FilesTab key={node.id} node={node} />
              )}
            </Suspense>
          )}
        </ErrorBoundary>
      </div>
    </aside>
  );
}
