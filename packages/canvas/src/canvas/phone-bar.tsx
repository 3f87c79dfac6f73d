// The bottom bar of a phone: agents, canvas, settings.

import { List, Network, Plus, Settings2 } from 'lucide-react';
import { setPreference } from '../app/preferences.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { Icon } from '../ui/index.ts';

export function PhoneBar({ active }: { active: 'list' | 'graph' }) {
  return (
    <nav className="m-bar" aria-label="Views">
      <button type="button" aria-current={active === 'list' || undefined} onClick={() => setPreference('view', 'list')}>
        <Icon of={List} />
        Agents
      </button>
      <button
        type="button"
        aria-current={active === 'graph' || undefined}
        onClick={() => setPreference('view', 'graph')}
      >
        <Icon of={Network} />
        Canvas
      </button>
      <button type="button" onClick={() => openDialog({ kind: 'create' })}>
        <Icon of={Plus} />
        New
      </button>
      <button type="button" onClick={() => openDialog({ kind: 'settings' })}>
        <Icon of={Settings2} />
        Settings
      </button>
    </nav>
  );
}
