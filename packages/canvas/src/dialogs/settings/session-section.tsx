// Ending the session of this browser.

import { api } from '../../app/api.ts';
import { Button, toast } from '../../ui/index.ts';

function signOut(): void {
  api.deleteSession().then(
    () => location.assign('/login'),
    (error: Error) => toast.error(`Not signed out: ${error.message}`),
  );
}

export function SessionSection() {
  return (
    <section aria-label="Session">
      <h2>Session</h2>
      <p className="soft sec-lead">
        Signing out ends this browser's session. A fresh sign-in link:{' '}
        <span className="mono">npm run molecule -- status</span>
      </p>
      <Button look="line" onClick={signOut}>
        Sign out
      </Button>
    </section>
  );
}
