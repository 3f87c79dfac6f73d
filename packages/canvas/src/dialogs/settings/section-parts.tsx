// What sections that show a list have in common: their head, the note of a failed read.

import type { ReactNode } from 'react';
import { Button } from '../../ui/index.ts';

export function SectionHead({ title, lead, action }: { title: string; lead: ReactNode; action?: ReactNode }) {
  return (
    <div className="row sec-h">
      <div className="grow">
        <h2>{title}</h2>
        <p className="soft sec-lead">{lead}</p>
      </div>
      {action}
    </div>
  );
}

export function ReadFailure({ what, error, onRetry }: { what: string; error: Error; onRetry(): void }) {
  return (
    <div className="note warn" role="alert">
      <span className="grow">
        {what} could not be read: {error.message}
      </span>
      <Button size="sm" onClick={onRetry}>
        Retry
      </Button>
    </div>
  );
}
