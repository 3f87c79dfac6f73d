// A roving tab list: arrows, Home and End move, the panel follows. `panelId` links each tab with what it shows.

import { type KeyboardEvent, type ReactNode, useEffect, useRef } from 'react';

export interface Tab<T extends string> {
  id: T;
  label: ReactNode;
  /** Why it cannot be opened now; it is passed over by the arrows. */
  disabledReason?: string | undefined;
}

export interface TabsProps<T extends string> {
  tabs: readonly Tab<T>[];
  active: T;
  label: string;
  /** `line` under the active one, or `seg` for a segmented control. */
  look?: 'line' | 'seg';
  className?: string;
  onChange(tab: T): void;
}

export function Tabs<T extends string>({ tabs, active, label, look = 'line', className = '', onChange }: TabsProps<T>) {
  const list = useRef<HTMLDivElement>(null);
  // On a phone the list is wider than the screen: what is open stands in its middle.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new active tab is what moves the list
  useEffect(() => {
    const tab = list.current?.querySelector('[aria-selected=true]');
    if (!list.current || !tab) return;
    const [own, outer] = [tab.getBoundingClientRect(), list.current.getBoundingClientRect()];
    list.current.scrollLeft += own.left + own.width / 2 - (outer.left + outer.width / 2);
  }, [active]);
  function move(event: KeyboardEvent<HTMLDivElement>) {
    const open = tabs.filter((tab) => tab.disabledReason === undefined);
    const at = open.findIndex((tab) => tab.id === active);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: open.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = open[(to + open.length) % open.length];
    if (!next) return;
    onChange(next.id);
    event.currentTarget.querySelector<HTMLElement>(`[data-testid="tab-${next.id}"]`)?.focus();
  }
  return (
    <div
      ref={list}
      role="tablist"
      aria-label={label}
      className={`${look === 'seg' ? 'seg' : 'tabs'} ${className}`}
      onKeyDown={move}
    >
      {tabs.map((tab) => (
        <button
          key={tab.id}
          type="button"
          role="tab"
          data-testid={`tab-${tab.id}`}
          aria-selected={tab.id === active}
          aria-controls={tab.id === active ? `panel-${tab.id}` : undefined}
          tabIndex={tab.id === active ? 0 : -1}
          disabled={tab.disabledReason !== undefined && tab.id !== active}
          title={tab.disabledReason}
          onClick={() => onChange(tab.id)}
        >
          {tab.label}
        </button>
      ))}
    </div>
  );
}
