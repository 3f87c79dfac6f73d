// A team that runs scripted though a model key is there is offered the model, once. "Not now" is remembered by this browser;
// the command palette keeps the way.

import { Sparkle } from 'lucide-react';
import { useState } from 'react';
import { readStored, writeStored } from '../app/preferences.ts';
import { useInfo } from '../app/use-info.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { useConnection, useLive } from '../live/index.ts';
import { Button, Icon, plural } from '../ui/index.ts';

const STORED = 'molecule.model-offer';
const DISMISSED = 'dismissed';

export function ModelOffer() {
  const { canWrite } = useConnection();
  const scripted = useLive(({ model }) => Object.values(model.nodes).filter((node) => node.runtime === 'echo').length);
  const [isDismissed, setDismissed] = useState(() => readStored(STORED) === DISMISSED);
  const info = useInfo({ enabled: scripted > 0 && !isDismissed });
  const [key] = info.data?.model_keys ?? [];
  if (isDismissed || scripted === 0 || key === undefined || !canWrite) return null;
  return (
    <section className="banner offer" aria-label="A model for the team" data-testid="model-offer">
      <Icon of={Sparkle} className="lead" />
      <span className="grow">
        <b>
          {plural(scripted, 'agent')} {scripted === 1 ? 'is' : 'are'} scripted.
        </b>{' '}
        <span className="soft">
          <span className="mono">{key}</span> is set, so {scripted === 1 ? 'it' : 'they'} can have a model.
        </span>
      </span>
      <Button size="sm" look="line" onClick={() => openDialog({ kind: 'give-model' })}>
        Give the team a model
      </Button>
      <Button
        size="sm"
        onClick={() => {
          writeStored(STORED, DISMISSED);
          setDismissed(true);
        }}
      >
        Not now
      </Button>
    </section>
  );
}
