// The script inside a message: `[[echo: …]]` directives, in the order they stand. Pure. The README beside this file lists them.

export type Directive =
  | { kind: 'delay'; ms: number }
  /** `times`: only the first attempts fail, and the runtime may repeat them; null = always, at once. */
  | { kind: 'fail'; tag: string; times: number | null }
  | { kind: 'attach'; name: string; content: string }
  | { kind: 'stream'; chunks: number; everyMs: number }
  | { kind: 'tool'; tool: string; input: Record<string, unknown> }
  | { kind: 'reply'; text: string }
  | { kind: 'ask'; text: string }
  | { kind: 'wedge' }
  | { kind: 'crash' }
  | { kind: 'unreadable'; source: string };

export interface Script {
  directives: Directive[];
  /** The message without what is addressed to this agent; directives for others stay in it. */
  text: string;
  /** The message without any directive: what a person reads. */
  topic: string;
}

const START = /\[\[echo(?:@([^:\]]+))?:/g;
const STRING = String.raw`"(?:[^"\\]|\\.)*"`;
const DURATION = String.raw`(\d+)\s*(ms|s)?`;
const MOST_MS = 3_600_000;
const MOST_CHUNKS = 10_000;

/** Where the directive's `]]` stands: outside of texts, and not part of a JSON value. @returns -1 without one. */
function findEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      const match = new RegExp(STRING, 'y');
      match.lastIndex = at;
      const found = match.exec(text);
      if (!found) return -1;
      at += found[0].length - 1;
    } else if (character === '{' || character === '[') depth += 1;
    else if (depth === 0 && text.startsWith(']]', at)) return at;
    else if (character === '}' || character === ']') depth -= 1;
  }
  return -1;
}

const toMs = (amount: string | undefined, unit: string | undefined) =>
  Math.min(Number(amount ?? 0) * (unit === 's' ? 1_000 : 1), MOST_MS);

function readJson(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}

const PATTERNS: [RegExp, (match: RegExpExecArray) => Directive | null][] = [
  [new RegExp(`^delay ${DURATION}$`), ([, amount, unit]) => ({ kind: 'delay', ms: toMs(amount, unit) })],
  [
    /^fail(?: ([A-Za-z][A-Za-z0-9_]*))?(?: (\d+) times)?$/,
    ([, tag = 'Error', times]) => ({ kind: 'fail', tag, times: times === undefined ? null : Number(times) }),
  ],
  [
    new RegExp(`^attach (\\S+) (${STRING})$`, 's'),
    ([, name = '', content = '']) => {
      const text = readJson(content);
      return typeof text === 'string' ? { kind: 'attach', name, content: text } : null;
    },
  ],
  [
    new RegExp(`^stream (\\d+) chunks(?: every ${DURATION})?$`),
    ([, chunks, amount, unit]) => ({
      kind: 'stream',
      chunks: Math.min(Math.max(Number(chunks), 1), MOST_CHUNKS),
      everyMs: toMs(amount, unit),
    }),
  ],
  [
    /^tool ([a-z_]+)(?: (\{.*\}))?$/s,
    ([, tool = '', json = '{}']) => {
      const input = readJson(json);
      return typeof input === 'object' && input !== null
        ? { kind: 'tool', tool, input: input as Record<string, unknown> }
        : null;
    },
  ],
  [
    new RegExp(`^(reply|ask) (${STRING})$`, 's'),
    ([, kind, quoted = '']) => {
      const text = readJson(quoted);
      return typeof text === 'string' ? { kind: kind as 'reply' | 'ask', text } : null;
    },
  ],
  [/^(wedge|crash)$/, ([, kind]) => ({ kind: kind as 'wedge' | 'crash' })],
];

function readDirective(source: string): Directive {
  for (const [pattern, read] of PATTERNS) {
    const match = pattern.exec(source);
    const directive = match ? read(match) : null;
    if (directive) return directive;
  }
  return { kind: 'unreadable', source };
}

/** @param name directives addressed to others (`[[echo@Name: …]]`) are left in the text. */
export function readScript(message: string, name: string): Script {
  const directives: Directive[] = [];
  let text = '';
  let topic = '';
  let at = 0;
  for (const match of message.matchAll(START)) {
    if (match.index < at) continue;
    const from = match.index + match[0].length;
    const end = findEnd(message, from);
    const next = end < 0 ? message.length : end + 2;
    const before = message.slice(at, match.index);
    const isMine = match[1] === undefined || match[1].trim() === name;
    const source = message.slice(from, end < 0 ? undefined : end).trim();
    if (isMine) directives.push(end < 0 ? { kind: 'unreadable', source } : readDirective(source));
    text += isMine ? before : message.slice(at, next);
    topic += before;
    at = next;
  }
  const rest = message.slice(at);
  return { directives, text: (text + rest).trim(), topic: (topic + rest).trim() };
}
