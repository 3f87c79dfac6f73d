// The `config.yaml` of a workload (chapter 10 §7.3, chapter 40 §3): generated, or a template's with the seat's own facts in it.
// The row is the truth for name, role, tier and runtime, so that a change made on the canvas counts after the next start.

import { parse, parseDocument, stringify } from 'yaml';

export interface SeatFacts {
  name: string;
  role: string | null;
  tier: number;
  runtime: string;
}

/** One line, as the generated file promises. */
const oneLine = (text: string) => text.replace(/[\r\n]+/g, ' ').trim();

export function generateConfig(seat: SeatFacts, model: string): string {
  return stringify(
    {
      name: oneLine(seat.name),
      description: oneLine(seat.role ?? ''),
      role: oneLine(seat.role ?? ''),
      version: '1.0.0',
      tier: seat.tier,
      runtime: seat.runtime,
      model,
    },
    { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 },
  );
}

/**
 * Writes the seat's facts into an existing file, keeping comments and every other key.
 * @returns the text unchanged when it cannot be parsed: the runtime then says what is wrong with it.
 */
export function applySeat(text: string, seat: SeatFacts): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) return text;
  const current = (document.toJS() ?? {}) as Record<string, unknown>;
  if (typeof current !== 'object' || Array.isArray(current)) return text;
  const wanted: Record<string, unknown> = { name: oneLine(seat.name), tier: seat.tier, runtime: seat.runtime };
  if (seat.role) {
    wanted.role = oneLine(seat.role);
    if (!current.description) wanted.description = oneLine(seat.role);
  }
  const changed = Object.entries(wanted).filter(([key, value]) => current[key] !== value);
  if (changed.length === 0) return text;
  for (const [key, value] of changed) document.set(key, value);
  return document.toString({ lineWidth: 0 });
}

export interface ConfigNeeds {
  requiredEnv: string[];
}

/** Names of variables a workload cannot run without; null when the file cannot be parsed. */
export function readNeeds(text: string): ConfigNeeds | null {
  try {
    const parsed = (parse(text) ?? {}) as {
      runtime_config?: { required_env?: unknown } | null;
      env?: { required?: unknown } | null;
    };
    const names = [parsed.runtime_config?.required_env, parsed.env?.required].flatMap((list) =>
      Array.isArray(list) ? list.filter((name): name is string => typeof name === 'string' && name !== '') : [],
    );
    return { requiredEnv: [...new Set(names)] };
  } catch {
    return null;
  }
}
