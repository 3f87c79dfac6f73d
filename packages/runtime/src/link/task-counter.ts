// What runs now and how it went, for the heartbeat (chapter 40 §6.1, §6.4).

const LABEL_LENGTH = 60;
const MOST_IDS = 50;

export interface RunningTask {
  label: string;
  messageId: string;
  delegationId?: string | null;
}

export interface TaskCounter {
  /** Counts a turn in and pushes a beat. @returns the function that counts it out, once. */
  beginTask(task: RunningTask): () => void;
  recordResult(error: string | null): void;
  active(): number;
  /** Label of the newest running turn. */
  currentTask(): string;
  messageIds(): string[];
  delegationIds(): string[];
  /** Errors per turn since the last accepted beat. */
  errorRate(): number;
  lastError(): string | null;
  /** After an accepted beat. */
  resetRates(): void;
  /** Called whenever the count changes. */
  onChange(listener: () => void): void;
}

/** First meaningful line without Markdown markers. */
export function toLabel(text: string): string {
  const line =
    text
      .split('\n')
      .map((one) => one.replace(/^[\s#>*`_-]+|[*`_]+/g, '').trim())
      .find((one) => one !== '') ?? '';
  return [...line].slice(0, LABEL_LENGTH).join('');
}

export function createTaskCounter(): TaskCounter {
  const running = new Set<RunningTask>();
  const listeners: (() => void)[] = [];
  let requests = 0;
  let errors = 0;
  let lastError: string | null = null;
  const changed = () => listeners.forEach((listener) => void listener());

  return {
    beginTask(task) {
      running.add(task);
      changed();
      return () => {
        if (running.delete(task)) changed();
      };
    },
    recordResult(error) {
      requests += 1;
      if (error === null) return;
      errors += 1;
      lastError = error;
    },
    active: () => running.size,
    currentTask: () => [...running].at(-1)?.label ?? '',
    messageIds: () => [...running].map((task) => task.messageId).slice(0, MOST_IDS),
    delegationIds: () =>
      [...running].flatMap((task) => (task.delegationId ? [task.delegationId] : [])).slice(0, MOST_IDS),
    errorRate: () => (requests === 0 ? 0 : errors / requests),
    lastError: () => lastError,
    resetRates() {
      requests = 0;
      errors = 0;
      lastError = null;
    },
    onChange: (listener) => void listeners.push(listener),
  };
}
