// Says that the platform is out of reach, how old what is shown is, and that writing waits.

import { RefreshCw, WifiOff } from 'lucide-react';
import { useState } from 'react';
import { rehydrate, useConnection } from '../live/index.ts';
import { Button, Icon, RelativeTime, useFastNow } from '../ui/index.ts';

const PATIENCE_MS = 2_000;

export function ConnectionBanner() {
  const { state, since, lastContactAt } = useConnection();
  const now = useFastNow();
  const [dismissed, setDismissed] = useState(0);
  const isDown = state === 'reconnecting' || state === 'offline';
  if (!isDown || now - since < PATIENCE_MS || dismissed === since) return null;
  return (
    <div className="banner" role="alert" data-testid="offline-banner">
      <Icon of={WifiOff} className="lead" />
      <span className="grow">
        <b>The platform is out of reach.</b>{' '}
        <span className="soft">
          Showing what was known <RelativeTime at={lastContactAt} />. Changes wait until it is back; drafts are kept.
        </span>
      </span>
      <Button size="sm" look="line" onClick={() => void rehydrate({ force: true })}>
        <Icon of={RefreshCw} small />
        Retry
      </Button>
      <Button size="sm" onClick={() => setDismissed(since)}>
        Hide
      </Button>
    </div>
  );
}
