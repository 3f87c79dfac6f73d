// What spoke where no person did: a schedule, a social channel, a webhook, in words (spec chapter 50 §7.1 "History"). Pure.

import type { ActivityRow } from '@molecule/contract';
import { isObject, readMessage } from './a2a-shapes.ts';

export interface Origin {
  /** "Schedule", "Channel", "Webhook", else the platform's word. */
  kind: string;
  name: string;
}

const KINDS: Record<string, string> = { channel: 'Channel', webhook: 'Webhook', system: 'System' };
const SCHEDULE = 'system:cron';

/** Null for a row of a person or a workspace. */
export function originOf(row: Pick<ActivityRow, 'origin' | 'request_body'>): Origin | null {
  if (!row.origin) return null;
  if (row.origin === SCHEDULE) {
    const { metadata } = readMessage(row.request_body) ?? {};
    const told = isObject(metadata) ? metadata : isObject(row.request_body) ? row.request_body : {};
    const name = typeof told.schedule_name === 'string' ? told.schedule_name.trim() : '';
    return { kind: 'Schedule', name: name || 'Schedule' };
  }
  const [kind = '', ...rest] = row.origin.split(':');
  return { kind: KINDS[kind] ?? kind, name: rest.join(':') || kind };
}
