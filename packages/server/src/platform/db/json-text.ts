// JSON and text of agents on their way into the store. What requests bring is judged at the door (`storable.ts`); what agents
// answer is taken as it comes, and must never keep a message from being stored.

/** Escapes PostgreSQL refuses in jsonb: NUL, and halves of surrogate pairs. An escaped backslash before them is plain text. */
const UNSTORABLE_ESCAPE = /(?<!\\)((?:\\\\)*)\\u(0000|d[89a-f][0-9a-f]{2})/g;

/** `JSON.stringify` without what jsonb cannot hold: NUL is left out, half a surrogate pair becomes U+FFFD. */
export function toJsonText(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  if (!text.includes('\\u')) return text;
  return text.replace(UNSTORABLE_ESCAPE, (_match, before: string, code: string) =>
    code === '0000' ? before : `${before}\ufffd`,
  );
}

/** Text without NUL, which no text column can hold. The driver itself mends halves of surrogate pairs. */
export function toPlainText(text: string): string {
  return text.replaceAll('\0', '');
}
