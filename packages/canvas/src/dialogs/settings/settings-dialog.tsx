// The settings drawer: a list of sections, one of them shown. What is typed and not saved is asked about before it goes.

import { Box, KeyRound, LogOut, type LucideIcon, Plug, ShieldCheck, SunMoon } from 'lucide-react';
import { useState } from 'react';
import { useInfo } from '../../app/use-info.ts';
import { ConfirmDialog, Dialog, Icon } from '../../ui/index.ts';
import { closeDialog } from '../dialog-store.ts';
import { useSecrets } from '../use-secrets.ts';
import { AppearanceSection } from './appearance-section.tsx';
import { ImagesSection } from './images-section.tsx';
import { OrgTokensSection, useOrgTokens } from './org-tokens-section.tsx';
import { SecretsSection } from './secrets-section.tsx';
import { SessionSection } from './session-section.tsx';
import { WorkspaceTokensSection } from './workspace-tokens-section.tsx';
import './settings.css';

type SectionId = 'secrets' | 'tokens' | 'org-tokens' | 'images' | 'appearance' | 'session';
interface Group {
  title: string;
  sections: readonly { id: SectionId; label: string; icon: LucideIcon }[];
}
const IMAGES: Group = { title: 'Agents', sections: [{ id: 'images', label: 'Runtime images', icon: Box }] };
const GROUPS: readonly Group[] = [
  {
    title: 'Access',
    sections: [
      { id: 'secrets', label: 'Secrets', icon: KeyRound },
      { id: 'tokens', label: 'Workspace tokens', icon: Plug },
      { id: 'org-tokens', label: 'Org API keys', icon: ShieldCheck },
    ],
  },
  IMAGES,
  {
    title: 'This browser',
    sections: [
      { id: 'appearance', label: 'Appearance', icon: SunMoon },
      { id: 'session', label: 'Session', icon: LogOut },
    ],
  },
];

export function SettingsDialog() {
  const [section, setSection] = useState<SectionId>('secrets');
  const [isDirty, setDirty] = useState(false);
  const [leaving, setLeaving] = useState<(() => void) | null>(null);
  const counts: Partial<Record<SectionId, number | undefined>> = {
    secrets: useSecrets().data?.length,
    'org-tokens': useOrgTokens().data?.count,
  };
  // Only a container engine has images.
  const hasImages = useInfo().data?.backend === 'docker';
  const leave = (go: () => void) => (isDirty ? setLeaving(() => go) : go());
  return (
    <Dialog kind="drawer" title="Settings" width={940} testId="settings" onClose={() => leave(closeDialog)}>
      <div className="settings">
        <nav className="nav" aria-label="Sections">
          {GROUPS.filter((group) => group !== IMAGES || hasImages).map((group) => (
            <div key={group.title} className="nav-group">
              <h3>{group.title}</h3>
              {group.sections.map(({ id, label, icon }) => (
                <button
                  key={id}
                  type="button"
                  aria-current={section === id ? 'page' : undefined}
                  onClick={() => leave(() => setSection(id))}
                >
                  <Icon of={icon} />
                  {label}
                  {counts[id] !== undefined && <span className="count">{counts[id]}</span>}
                </button>
              ))}
            </div>
          ))}
        </nav>
        <div className="sec grow scroll">
          {section === 'secrets' && <SecretsSection onDirty={setDirty} />}
          {section === 'tokens' && <WorkspaceTokensSection />}
          {section === 'org-tokens' && <OrgTokensSection />}
          {section === 'images' && <ImagesSection />}
          {section === 'appearance' && <AppearanceSection />}
          {section === 'session' && <SessionSection />}
        </div>
      </div>
      {leaving && (
        <ConfirmDialog
          danger
          title="Discard the secret you typed?"
          lead="It is not saved yet."
          action="Discard"
          onConfirm={() => {
            setDirty(false);
            leaving();
          }}
          onClose={() => setLeaving(null)}
        />
      )}
    </Dialog>
  );
}
