// What runs now and how it went, for the heartbeat (chapter 40 §6.1, §6.4).

const LABEL_LENGTH = 60;
const MOST_IDS = 50;

export interface RunningTask {
  turnId: string;
  label: string;
  messageId: string;
  delegationId?: string | null;
}

/** What a beat says of the turns since the last accepted one. */
export interface Rates {
  requests: number;
  errors: number;
}

/** An end makes room for what waits for this agent. */
export type TaskChange = 'began' | 'ended';

export interface TaskCounter {
  /** Counts a turn in and pushes a beat. @returns the function that counts it out, once. */
  beginTask(task: RunningTask): () => void;
  recordResult(error: string | null): void;
  active(): number;
  /** Label of the newest running turn. */
  currentTask(): string;
  messageIds(): string[];
  delegationIds(): string[];
  /** The delegation a running turn works on; null: none. */
  delegationOf(turnId: string): string | null;
  rates(): Rates;
  /** The last recorded error; null = none so far. */
  lastError(): string | null;
  /** A beat with these figures was accepted; what happened meanwhile waits for the next one. */
  settleRates(accepted: Rates): void;
  /** Called whenever the count changes. */
  onChange(listener: (change: TaskChange) => void): void;
}

const LEADING_MARKS = /^(?:\s|#+|>|[-*+](?=\s)|\d+[.)](?=\s)|`{3}\S*)+/;

/** First meaningful line without Markdown markers. */
export function toLabel(text: string): string {
  const line =
    text
      .split('\n')
      .map((one) =>
        one
          .replace(LEADING_MARKS, '')
          .replace(/`|~~|(?<!\w)[*_]+|[*_]+(?!\w)/g, '')
          .trim(),
      )
      .find((one) => /[\p{L}\p{N}\p{Emoji}]/u.test(one)) ?? '';
  return [...line].slice(0, LABEL_LENGTH).join('');
}

export function createTaskCounter(): TaskCounter {
  const running = new Set<RunningTask>();
  const listeners: ((change: TaskChange) => void)[] = [];
  let rates: Rates = { requests: 0, errors: 0 };
  let lastError: string | null = null;
  const tell = (change: TaskChange) => {
    for (const listener of listeners) listener(change);
  };

  return {
    beginTask(task) {
      running.add(task);
      tell('began');
      return () => {
        if (running.delete(task)) tell('ended');
      };
    },
    recordResult(error) {
      rates = { requests: rates.requests + 1, errors: rates.errors + (error === null ? 0 : 1) };
      lastError = error ?? lastError;
    },
    active: () => running.size,
    currentTask: () => [...running].at(-1)?.label ?? '',
    messageIds: () => [...running].map((task) => task.messageId).slice(0, MOST_IDS),
    delegationIds: () =>
      [...running].flatMap((task) => (task.delegationId ? [task.delegationId] : [])).slice(0, MOST_IDS),
    delegationOf: (turnId) => [...running].find((task) => task.turnId === turnId)?.delegationId ?? null,
    rates: () => rates,
    lastError: () => lastError,
    settleRates(accepted) {
      rates = { requests: rates.requests - accepted.requests, errors: rates.errors - accepted.errors };
    },
    onChange: (listener) => void listeners.push(listener),
  };
}
