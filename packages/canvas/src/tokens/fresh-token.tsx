// A token that was just made: shown once, with the button that copies it. It lives in this element only.

import { CopyButton } from '../ui/index.ts';
import './tokens.css';

export function FreshToken({ token, onCopied }: { token: string; onCopied?: () => void }) {
  return (
    <div className="row fresh">
      <div className="field grow">
        <span className="mono val clip grow" data-testid="fresh-token">
          {token}
        </span>
      </div>
      <CopyButton text={token} label="Copy the token" words="Copy token" look="primary" size="lg" onCopied={onCopied} />
    </div>
  );
}
