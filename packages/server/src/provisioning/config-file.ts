// The `config.yaml` of a workload (chapter 10 §7.3, chapter 40 §3): generated, or an existing one with the seat's facts in it.
// Name, role, tier and runtime are the row's, so that a change made on the canvas counts from the next start.

import { isMap, parseDocument, stringify } from 'yaml';
import { defaultModel } from '../secrets/index.ts';

export interface SeatFacts {
  name: string;
  role: string | null;
  tier: number;
  runtime: string;
}

const oneLine = (text: string) => text.replace(/[\r\n]+/g, ' ').trim();

/** Every scalar goes through the YAML library, so no name or role can inject a key. */
export function generateConfig(seat: SeatFacts, model: string, extra: Record<string, unknown> = {}): string {
  return stringify(
    {
      name: oneLine(seat.name),
      description: oneLine(seat.role ?? ''),
      role: oneLine(seat.role ?? ''),
      version: '1.0.0',
      tier: seat.tier,
      runtime: seat.runtime,
      model,
      ...extra,
    },
    { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 },
  );
}

/**
 * Sets top-level keys of an existing file; comments, order and every other key stay.
 * @returns the text unchanged when it cannot be parsed: the runtime then says what is wrong with it.
 */
export function mergeConfig(
  text: string,
  decide: (current: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): string {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents)) return text;
  const current = document.toJS() as Record<string, unknown>;
  const changes = Object.entries(decide(current)).filter(([key, value]) => current[key] !== value);
  if (changes.length === 0) return text;
  for (const [key, value] of changes) document.set(key, value);
  return document.toString({ lineWidth: 0 });
}

/** A model nobody chose follows the runtime; which one really runs is the runtime's to say. */
function followRuntime(current: Readonly<Record<string, unknown>>, runtime: string): Record<string, unknown> {
  const before = typeof current.runtime === 'string' ? current.runtime : runtime;
  return current.model === defaultModel(before) ? { model: defaultModel(runtime) } : {};
}

/** Writes the seat's facts into an existing file. */
export function applySeat(text: string, seat: SeatFacts): string {
  const role = seat.role === null ? null : oneLine(seat.role);
  return mergeConfig(text, (current) => ({
    name: oneLine(seat.name),
    tier: seat.tier,
    runtime: seat.runtime,
    ...followRuntime(current, seat.runtime),
    // A description that only repeated the role follows it.
    ...(role
      ? { role, ...(!current.description || current.description === current.role ? { description: role } : {}) }
      : {}),
  }));
}
