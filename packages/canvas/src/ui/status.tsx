// The status language: one shape, one colour, one word per workspace status. These glyphs mean nothing else.

import type { WorkspaceStatus } from '@molecule/contract';
import type { ReactNode } from 'react';

export type ShownStatus = Exclude<WorkspaceStatus, 'removed'>;

/** Worst first: what an aggregate shows. */
export const STATUSES_BY_WEIGHT: readonly ShownStatus[] = [
  'failed',
  'degraded',
  'offline',
  'provisioning',
  'awaiting_agent',
  'paused',
  'hibernating',
  'hibernated',
  'online',
];

/** In the order the toolbar counts them. */
export const STATUSES_SHOWN: readonly ShownStatus[] = [
  'online',
  'provisioning',
  'degraded',
  'failed',
  'offline',
  'hibernated',
  'hibernating',
  'paused',
  'awaiting_agent',
];

const LABELS: Record<ShownStatus, string> = {
  online: 'Online',
  provisioning: 'Starting',
  degraded: 'Degraded',
  offline: 'Offline',
  failed: 'Failed',
  awaiting_agent: 'Awaiting agent',
  paused: 'Paused',
  hibernating: 'Going to sleep',
  hibernated: 'Asleep',
};

/** An unknown status is shown as it came. */
export function statusLabel(status: string): string {
  return LABELS[status as ShownStatus] ?? status;
}

const SHAPES: Record<ShownStatus, ReactNode> = {
  online: (
    <>
      <circle cx="6" cy="6" r="5.75" fill="currentColor" opacity=".18" />
      <circle cx="6" cy="6" r="3.5" fill="currentColor" />
    </>
  ),
  provisioning: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="2" opacity=".28" />
      <path
        className="spin"
        d="M6 2a4 4 0 0 1 4 4"
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
      />
    </>
  ),
  degraded: (
    <path d="M6 2.1 10.6 10H1.4z" fill="currentColor" stroke="currentColor" strokeWidth="1.4" strokeLinejoin="round" />
  ),
  offline: <circle cx="6" cy="6" r="3.6" fill="none" stroke="currentColor" strokeWidth="1.8" />,
  failed: (
    <>
      <circle cx="6" cy="6" r="5" fill="currentColor" />
      <path d="m4.2 4.2 3.6 3.6M7.8 4.2 4.2 7.8" stroke="var(--card)" strokeWidth="1.5" strokeLinecap="round" />
    </>
  ),
  awaiting_agent: (
    <circle cx="6" cy="6" r="4.1" fill="none" stroke="currentColor" strokeWidth="1.8" strokeDasharray="2.6 1.69" />
  ),
  paused: (
    <>
      <rect x="2.4" y="2" width="2.6" height="8" rx="1" fill="currentColor" />
      <rect x="7" y="2" width="2.6" height="8" rx="1" fill="currentColor" />
    </>
  ),
  hibernating: (
    <path
      className="breathe"
      d="M10.2 7.5A4.6 4.6 0 0 1 4.6 1.7a4.7 4.7 0 1 0 5.6 5.8z"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinejoin="round"
    />
  ),
  hibernated: <path d="M10.6 7.6A4.9 4.9 0 0 1 4.5 1.3a5 5 0 1 0 6.1 6.3z" fill="currentColor" />,
};
const UNKNOWN_SHAPE = <circle cx="6" cy="6" r="2.5" fill="currentColor" />;

export function StatusGlyph({ status, size = 12 }: { status: string; size?: number }) {
  return (
    <svg
      className="gl"
      data-status={status}
      viewBox="0 0 12 12"
      style={{ width: size, height: size }}
      aria-hidden="true"
    >
      {SHAPES[status as ShownStatus] ?? UNKNOWN_SHAPE}
    </svg>
  );
}

export function StatusTag({ status }: { status: string }) {
  return (
    <span className="tag st" data-status={status}>
      {statusLabel(status)}
    </span>
  );
}
