// A value as readable JSON, coloured by kind. Text only: nothing of it is ever markup.

import { useMemo } from 'react';
import { CodeBlock } from './code-block.tsx';

const MOST_COLOURED = 20_000;
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;

interface Token {
  at: number;
  kind: 'key' | 'string' | 'word' | 'number' | null;
  text: string;
}

/** Splits JSON text into keys, strings, words, numbers and what is between them. */
export function tokenize(json: string): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  for (const match of json.matchAll(TOKEN)) {
    if (match.index > end) tokens.push({ at: end, kind: null, text: json.slice(end, match.index) });
    const [whole, quoted, colon, word] = match;
    if (quoted && colon) {
      tokens.push({ at: match.index, kind: 'key', text: quoted });
      tokens.push({ at: match.index + quoted.length, kind: null, text: colon });
    } else tokens.push({ at: match.index, kind: quoted ? 'string' : word ? 'word' : 'number', text: whole });
    end = match.index + whole.length;
  }
  if (end < json.length) tokens.push({ at: end, kind: null, text: json.slice(end) });
  return tokens;
}

export function JsonBlock({ value, label }: { value: unknown; label: string }) {
  const text = useMemo(() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2)), [value]);
  const tokens = useMemo(
    () => (typeof value === 'string' || text.length > MOST_COLOURED ? [{ at: 0, kind: null, text }] : tokenize(text)),
    [value, text],
  );
  return (
    <CodeBlock label={label} text={text} className="json">
      {tokens.map(({ at, kind, text: piece }) =>
        kind ? (
          <span key={at} className={`j-${kind}`}>
            {piece}
          </span>
        ) : (
          piece
        ),
      )}
    </CodeBlock>
  );
}
