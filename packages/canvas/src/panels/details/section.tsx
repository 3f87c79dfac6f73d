// One headed part of the Details tab.

import type { ReactNode } from 'react';

export function Section({ title, action, children }: { title: string; action?: ReactNode; children: ReactNode }) {
  return (
    <section className="det-sec" aria-label={title}>
      <div className="row det-h">
        <h3 className="grow">{title}</h3>
        {action}
      </div>
      {children}
    </section>
  );
}
