// What a card says about a workspace: its one message, its action, its skills. Pure.

import type { WorkspaceNode } from '../live/index.ts';
import { formatAge } from '../ui/format.ts';

export type CardAction = 'restart' | 'retry' | 'add-key' | 'connect' | 'resume';
export interface CardMessage {
  tone: 'status' | 'plain' | 'task';
  text: string;
  /** The whole text when `text` was cut. */
  full: string;
  action: { id: CardAction; label: string } | null;
}

export const NO_DETAILS = 'No details reported';
const SHOWN_CHARACTERS = 120;

/** The environment variable a failure names as missing; null when it is about something else. */
export function findMissingKey(error: string | null): string | null {
  const found = error?.match(/\b([A-Z][A-Z0-9_]*_(?:API_KEY|TOKEN|BASE_URL))\b/);
  const saysMissing = /not set|missing|required|no .*key|unset|needs/i.test(error ?? '');
  return found && saysMissing ? (found[1] ?? null) : null;
}

function cut(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS - 1)}…` : line;
}

const restart = { id: 'restart', label: 'Restart' } as const;

/** One message only: error, offline, paused, awaiting > needs restart > current task. */
export function readMessage(node: WorkspaceNode, nowMs: number): CardMessage | null {
  const isExternal = node.runtime === 'external';
  const error = node.last_sample_error?.trim() || NO_DETAILS;
  const say = (text: string, action: CardMessage['action']): CardMessage => ({
    tone: 'status',
    text: cut(text),
    full: text,
    action,
  });
  switch (node.status) {
    case 'degraded':
      return say(error, isExternal ? null : restart);
    case 'failed':
      if (findMissingKey(node.last_sample_error)) return say(error, { id: 'add-key', label: 'Add key' });
      return say(error, isExternal ? null : { id: 'retry', label: 'Retry' });
    case 'offline': {
      const since = node.last_heartbeat_at ?? node.status_changed_at;
      return say(
        `No heartbeat for ${formatAge(nowMs - Date.parse(since)).replace('now', '1 m')}`,
        isExternal ? null : restart,
      );
    }
    case 'awaiting_agent':
      return say('No contact yet', { id: 'connect', label: 'Connect…' });
    case 'paused':
      return say('Takes no work until resumed', { id: 'resume', label: 'Resume' });
  }
  if (node.needs_restart) return { ...say('Restart to apply changes', isExternal ? null : restart), tone: 'plain' };
  const task = node.current_task?.trim();
  return task ? { tone: 'task', text: cut(task), full: task, action: null } : null;
}

/** Names of the card's skills. */
export function listSkills(card: unknown): string[] {
  const skills = (card as { skills?: unknown } | null)?.skills;
  if (!Array.isArray(skills)) return [];
  return skills.flatMap((skill: unknown) => {
    const named = skill as { name?: unknown; id?: unknown } | null;
    const name = typeof named?.name === 'string' ? named.name : named?.id;
    return typeof name === 'string' && name.trim() !== '' ? [name.trim()] : [];
  });
}

const MOST_SKILLS = 4;
const CHARACTER_PX = 5.4;
const CHIP_PX = 14;
const MORE_PX = 22;

/** As many chips as fit the width, at most four; the rest is counted. */
export function fitSkills(skills: readonly string[], widthPx: number): { shown: string[]; more: number } {
  const shown: string[] = [];
  let used = 0;
  for (const skill of skills) {
    const width = skill.length * CHARACTER_PX + CHIP_PX;
    const isLast = shown.length === skills.length - 1;
    if (shown.length === MOST_SKILLS || used + width + (isLast ? 0 : MORE_PX) > widthPx) break;
    shown.push(skill);
    used += width;
  }
  return { shown, more: skills.length - shown.length };
}

/** Width left for skills after the runtime badge. */
export function skillSpace(widthPx: number, runtime: string): number {
  return widthPx - (runtime.length * 6 + 16);
}

export function showRuntime(runtime: string): string {
  return runtime === 'external' ? '★ REMOTE' : runtime || 'unknown';
}
