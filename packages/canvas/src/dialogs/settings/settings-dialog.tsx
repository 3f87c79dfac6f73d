// The settings drawer: a list of sections, one of them shown. What is typed and not saved is asked about before it goes.

import { KeyRound, LogOut, type LucideIcon, SunMoon } from 'lucide-react';
import { useState } from 'react';
import { ConfirmDialog, Dialog, Icon } from '../../ui/index.ts';
import { closeDialog } from '../dialog-store.ts';
import { useSecrets } from '../use-secrets.ts';
import { AppearanceSection } from './appearance-section.tsx';
import { SecretsSection } from './secrets-section.tsx';
import { SessionSection } from './session-section.tsx';

type SectionId = 'secrets' | 'appearance' | 'session';
const GROUPS: readonly { title: string; sections: readonly { id: SectionId; label: string; icon: LucideIcon }[] }[] = [
  { title: 'Access', sections: [{ id: 'secrets', label: 'Secrets', icon: KeyRound }] },
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
  const secrets = useSecrets();
  const leave = (go: () => void) => (isDirty ? setLeaving(() => go) : go());
  return (
    <Dialog kind="drawer" title="Settings" width={860} testId="settings" onClose={() => leave(closeDialog)}>
      <div className="settings">
        <nav className="nav" aria-label="Sections">
          {GROUPS.map((group) => (
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
                  {id === 'secrets' && secrets.data && <span className="count">{secrets.data.length}</span>}
                </button>
              ))}
            </div>
          ))}
        </nav>
        <div className="sec grow scroll">
          {section === 'secrets' && <SecretsSection onDirty={setDirty} />}
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
