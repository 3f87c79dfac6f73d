// One headed part of the Details tab.

import type { ReactNode, Ref } from 'react';

export interface SectionProps {
  title: string;
  action?: ReactNode;
  ref?: Ref<HTMLElement>;
  children: ReactNode;
}

export function Section({ title, action, ref, children }: SectionProps) {
  return (
    <section ref={ref} className="det-sec" aria-label={title}>
      <div className="row det-h">
        <h3 className="grow">{title}</h3>
        {action}
      </div>
      {children}
    </section>
  );
}
