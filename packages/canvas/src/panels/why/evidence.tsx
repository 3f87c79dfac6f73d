// What waits behind the cause, and what was looked at and is not it.

import type { WhyReply } from '@molecule/contract';
import { Check } from 'lucide-react';
import { Icon, Receipt, RelativeTime } from '../../ui/index.ts';

export function Behind({ behind }: { behind: WhyReply['behind'] }) {
  if (behind.total === 0) return null;
  const more = behind.total - behind.items.length;
  return (
    <section className="why-part">
      <h4 className="h-label">Waiting behind it</h4>
      <ul>
        {behind.items.map((item) => (
          <li
            key={item.queue_id ?? item.delegation_id ?? item.message_id ?? item.since}
            className="row behind"
            data-testid="why-behind"
          >
            <Receipt
              accepted
              pickedUp={item.marks.injected_at !== null}
              answered={item.marks.answered_at !== null}
              tone="ink"
            />
            <span className="clip grow" title={item.text}>
              {item.name} <span className="muted">· “{item.text}”</span>
            </span>
            <span className="stamp">
              {item.marks.injected_at ? 'picked up' : 'queued'} <RelativeTime at={item.since} ago={false} />
            </span>
          </li>
        ))}
      </ul>
      {more > 0 && <p className="muted">and {more} more</p>}
    </section>
  );
}

export function Checked({ checked }: { checked: WhyReply['checked'] }) {
  if (checked.length === 0) return null;
  return (
    <section className="why-part">
      <h4 className="h-label">Checked, not the cause</h4>
      <ul className="ruled" data-testid="why-checked">
        {checked.map(({ check, says }) => (
          <li key={check}>
            <Icon of={Check} small />
            {says}
          </li>
        ))}
      </ul>
    </section>
  );
}
