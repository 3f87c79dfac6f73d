// Sign-in without a link: the admin token or an organisation token, swapped for a session cookie.

import { ApiError } from '@molecule/contract';
import { type FormEvent, useState } from 'react';
import { Button, Mark, TextField } from '../ui/index.ts';
import { signIn } from './gate.ts';

export function LoginPage({ message }: { message: string | null }) {
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (token.trim() === '') return setError('Paste a token first.');
    setBusy(true);
    setError(null);
    try {
      await signIn({ token: token.trim() });
    } catch (failure) {
      const refused = failure instanceof ApiError && failure.status === 401;
      setError(refused ? 'This token is not known here.' : (failure as Error).message);
      setBusy(false);
    }
  }

  return (
    <main className="gate">
      <div className="dots calm" />
      <form className="gate-card" onSubmit={(event) => void submit(event)}>
        <Mark />
        <h1>Sign in</h1>
        <p className="soft">Open the sign-in link that the platform printed when it started, or paste a token.</p>
        {message && (
          <div className="note warn" role="alert">
            <span>
              {message} A fresh link: <span className="mono">npm run molecule -- status</span>
            </span>
          </div>
        )}
        <TextField
          label="Admin token or organisation token"
          type="password"
          name="token"
          autoComplete="off"
          autoFocus
          spellCheck={false}
          value={token}
          error={error}
          onChange={(event) => setToken(event.target.value)}
        />
        <Button type="submit" look="primary" size="lg" busy={busy}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
