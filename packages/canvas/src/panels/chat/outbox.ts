// Messages that were sent and not answered yet, kept by this browser: a reload or a crash of the page loses no typed word.

import { readStored, writeStored } from '../../app/preferences.ts';
import { type ChatFile, type Conversation, findTurn, type Turn, type TurnState } from './turns.ts';

const MOST_KEPT = 20;
const RELOADED = 'Sent before this page was reloaded. The answer appears here.';
const storageKey = (id: string) => `molecule.outbox.${id}`;

interface Kept {
  key: string;
  text: string;
  /** Where they were uploaded to. */
  files?: ChatFile[];
  startedAt: string;
  state: TurnState;
}

const isUnsettled = (turn: Turn) => turn.user !== null && turn.origin === null && turn.state.is !== 'answered';

export function keepUnsettled(id: string, conversation: Conversation): void {
  const kept = conversation.turns
    .filter(isUnsettled)
    .slice(-MOST_KEPT)
    .map(
      ({ key, user, startedAt, state }): Kept => ({
        key,
        text: user?.text ?? '',
        files: user?.files ?? [],
        startedAt,
        state,
      }),
    );
  const text = kept.length > 0 ? JSON.stringify(kept) : null;
  if (text !== readStored(storageKey(id))) writeStored(storageKey(id), text);
}

function readKept(id: string): Kept[] {
  try {
    const kept: unknown = JSON.parse(readStored(storageKey(id)) ?? '[]');
    return Array.isArray(kept) ? kept : [];
  } catch {
    // Not ours any more.
    return [];
  }
}

/** A request that died with the page is open: its answer may still come. */
function restoreState(state: TurnState): TurnState {
  return ['sending', 'streaming', 'retrying'].includes(state.is) ? { is: 'open', why: RELOADED } : state;
}

/** Adds what the history does not hold. */
export function restoreUnsettled(id: string, conversation: Conversation): Conversation {
  const lost = readKept(id).filter(({ key }) => !findTurn(conversation, key));
  if (lost.length === 0) return conversation;
  const restored = lost.map(
    ({ key, text, files = [], startedAt, state }): Turn => ({
      key,
      user: { text, files, at: startedAt },
      reply: null,
      state: restoreState(state),
      origin: null,
      activityId: null,
      startedAt,
    }),
  );
  const turns = [...conversation.turns, ...restored].sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  return { ...conversation, turns };
}
