// What a chaos run sends: conversations, each a row of messages of one context to one target, and delegations. Pure, by the seed.

import type { Random } from '@molecule/testkit';

export interface PlannedMessage {
  id: string;
  /** A held call, one whose answer streams, or a delegation. */
  kind: 'message' | 'stream' | 'delegation';
  /** How long the turn takes, in milliseconds. */
  workMs: number;
}

/** Its messages are sent one after the other: each when the one before it was acknowledged. */
export interface Conversation {
  targetId: string;
  /** Null for delegations, which have no context. */
  contextId: string | null;
  messages: PlannedMessage[];
}

export interface CallerPlan {
  callerId: string;
  conversations: Conversation[];
}

export interface PlanInput {
  random: Random;
  callerIds: readonly string[];
  targetIds: readonly string[];
  messages: number;
  delegations: number;
}

const MOST_WORK_MS = 60;
/** Of ten messages one takes so long that others find its target busy. */
const LONG_WORK_MS = 400;

export function planRun({ random, callerIds, targetIds, messages, delegations }: PlanInput): CallerPlan[] {
  const workMs = () => (random.below(10) === 0 ? LONG_WORK_MS : random.below(MOST_WORK_MS));
  const plans = callerIds.map((callerId, index) => ({
    callerId,
    conversations: targetIds.flatMap((targetId, target): Conversation[] => [
      { targetId, contextId: `talk-${index}-${target}`, messages: [] },
      { targetId, contextId: null, messages: [] },
    ]),
  }));
  const all = plans.flatMap(({ conversations }) => conversations);
  const talks = all.filter(({ contextId }) => contextId !== null);
  const handovers = all.filter(({ contextId }) => contextId === null);
  for (let count = 0; count < messages; count += 1)
    random.pick(talks).messages.push({
      id: `message-${count}`,
      kind: random.below(4) === 0 ? 'stream' : 'message',
      workMs: workMs(),
    });
  for (let count = 0; count < delegations; count += 1)
    random.pick(handovers).messages.push({ id: `delegation-${count}`, kind: 'delegation', workMs: workMs() });
  return plans;
}

/** What the target is told; its script reads the time out of it. */
export const textOf = ({ id, workMs }: PlannedMessage): string => `${id} work ${workMs}`;
