// Tokens as a list: how each begins, when it was made and last used, and its end. Who made them and whose they are is the caller's.

import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useConnection } from '../live/index.ts';
import { ConfirmDialog, Icon, IconButton, RelativeTime } from '../ui/index.ts';

export interface TokenRow {
  id: string;
  prefix: string;
  name?: string | undefined;
  created_at: string;
  last_used_at?: string | null | undefined;
}

export interface TokenRowsProps {
  label: string;
  tokens: readonly TokenRow[];
  /** What ends with a token, for the question before it is revoked. */
  consequence: string;
  revoke(id: string): Promise<unknown>;
}

export function TokenRows({ label, tokens, consequence, revoke }: TokenRowsProps) {
  const { canWrite } = useConnection();
  const [doomed, setDoomed] = useState<TokenRow | null>(null);
  if (tokens.length === 0) return null;
  return (
    <>
      <ul className="list tokens" aria-label={label}>
        {tokens.map((token) => (
          <li key={token.id} className="token">
            <span className="clip">
              {token.name && <b>{token.name} </b>}
              <span className="mono">{token.prefix}…</span>
            </span>
            <span className="muted num">
              {token.last_used_at ? (
                <>
                  used <RelativeTime at={token.last_used_at} />
                </>
              ) : (
                <>
                  never used, made <RelativeTime at={token.created_at} />
                </>
              )}
            </span>
            <IconButton
              label={`Revoke ${token.name ?? token.prefix}`}
              disabled={!canWrite}
              onClick={() => setDoomed(token)}
            >
              <Icon of={Trash2} />
            </IconButton>
          </li>
        ))}
      </ul>
      {doomed && (
        <ConfirmDialog
          danger
          title={`Revoke ${doomed.name ?? `${doomed.prefix}…`}?`}
          lead={consequence}
          action="Revoke"
          onConfirm={() => revoke(doomed.id)}
          onClose={() => setDoomed(null)}
        />
      )}
    </>
  );
}
