// The platform does not answer. Says so, counts down to the next try, and leaves by itself.

import { Button, Mark, toSentence, useFastNow } from '../ui/index.ts';
import { probeSession } from './gate.ts';

export function OutagePage({ message, retryAt }: { message: string; retryAt: number }) {
  const seconds = Math.max(0, Math.ceil((retryAt - useFastNow()) / 1000));
  return (
    <main className="gate" data-testid="outage">
      <div className="dots calm" />
      <div className="gate-card" role="alert">
        <Mark />
        <h1>The platform does not answer</h1>
        <p className="soft">
          {toSentence(message)} Nothing is lost: agents keep what they have, and this page returns by itself.
        </p>
        <div className="row gate-actions">
          <Button look="line" size="lg" onClick={() => void probeSession()}>
            Try now
          </Button>
          <span className="hint num">Next try in {seconds} s</span>
        </div>
      </div>
    </main>
  );
}
