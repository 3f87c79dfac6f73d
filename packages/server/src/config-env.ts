// How single settings are read from the environment. Knows no setting by name; which exist is config.ts' business.

/** A setting nobody can start with; `hint` is the line that mends it. */
export class ConfigError extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'ConfigError';
    this.hint = hint;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Unset and blank are the same. */
export function text(env: Environment, name: string): string | null {
  const value = env[name]?.trim();
  return value ? value : null;
}

export function positiveWhole(env: Environment, name: string, fallback: number, warnings: string[]): number {
  const value = text(env, name);
  if (value === null) return fallback;
  if (/^\d+$/.test(value) && Number(value) > 0) return Number(value);
  warnings.push(`${name}=${value} is not a positive whole number; using ${fallback}`);
  return fallback;
}
