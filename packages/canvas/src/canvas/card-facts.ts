// What a card says about a workspace: its one message, its action, its skills. Pure.

import type { WorkspaceNode } from '../live/index.ts';
import { formatAge } from '../ui/format.ts';

export type CardAction = 'restart' | 'retry' | 'add-key' | 'connect' | 'resume' | 'wake' | 'raise-limit';
export interface CardMessage {
  /** `status` takes the colour of the status, `need` asks for a person. */
  tone: 'status' | 'need' | 'plain' | 'task';
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

type Action = NonNullable<CardMessage['action']>;
const RESTART: Action = { id: 'restart', label: 'Restart' };
const ADD_KEY: Action = { id: 'add-key', label: 'Add key' };

export function isOverBudget(node: Pick<WorkspaceNode, 'budget_limit' | 'monthly_spend'>): boolean {
  return node.budget_limit !== null && node.monthly_spend >= node.budget_limit;
}

const say = (text: string, action: Action | null): CardMessage => ({
  tone: 'status',
  text: cut(text),
  full: text,
  action,
});

function describeTrouble(node: WorkspaceNode, nowMs: number): CardMessage | null {
  const isOurs = node.runtime !== 'external';
  const reported = node.last_sample_error?.trim() || null;
  const mend = (fallback: Action) => (findMissingKey(reported) ? ADD_KEY : isOurs ? fallback : null);
  switch (node.status) {
    case 'degraded':
      return say(reported ?? NO_DETAILS, mend(RESTART));
    case 'failed':
      return say(reported ?? NO_DETAILS, mend({ id: 'retry', label: 'Retry' }));
    case 'offline': {
      const age = formatAge(nowMs - Date.parse(node.last_heartbeat_at ?? node.status_changed_at));
      return say(reported ?? (age === 'now' ? 'Stopped answering' : `No heartbeat for ${age}`), mend(RESTART));
    }
    case 'awaiting_agent':
      return say('No contact yet', { id: 'connect', label: 'Connect…' });
    case 'paused':
      return say('Takes no work until resumed', { id: 'resume', label: 'Resume' });
    case 'hibernated':
      return say('Wakes on message', isOurs ? { id: 'wake', label: 'Wake' } : null);
    default:
      return null;
  }
}

/** One message only: error, offline, paused, asleep, awaiting > budget reached > needs restart > current task. */
export function readMessage(node: WorkspaceNode, nowMs: number): CardMessage | null {
  const trouble = describeTrouble(node, nowMs);
  if (trouble) return trouble;
  if (isOverBudget(node))
    return { ...say('Budget reached, calls are refused', { id: 'raise-limit', label: 'Raise' }), tone: 'need' };
  if (node.needs_restart)
    return { ...say('Restart to apply changes', node.runtime === 'external' ? null : RESTART), tone: 'plain' };
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
