// The runtime's log: JSON lines on stderr (stdout belongs to tools), without secrets.

import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

const SECRET_SHAPES =
  /\b(?:sk-[A-Za-z0-9_-]{8,}|gsk_[A-Za-z0-9]{8,}|xai-[A-Za-z0-9]{8,}|AIza[A-Za-z0-9_-]{20,}|gh[ps]_[A-Za-z0-9]{8,}|github_pat_[A-Za-z0-9_]{8,}|AKIA[A-Z0-9]{12,}|Bearer\s+[A-Za-z0-9._~+/-]{8,}=*)/g;
const SECRET_NAME = /(?:_API_KEY|_TOKEN|_SECRET|_SALT|PASSWORD)$/;
/** A shorter value is part of too many ordinary words. */
const SHORTEST_VALUE = 8;

export type Redact = (text: string) => string;

/** Known shapes of secrets, and the values of this environment's own, become [REDACTED]. Idempotent. */
export function createRedactor(env: Readonly<Record<string, string | undefined>> = {}): Redact {
  const values = Object.entries(env)
    .flatMap(([name, value]) => (SECRET_NAME.test(name) && value && value.length >= SHORTEST_VALUE ? [value] : []))
    .sort((a, b) => b.length - a.length);
  return (text) =>
    values.reduce((clean, value) => clean.replaceAll(value, '[REDACTED]'), text.replace(SECRET_SHAPES, '[REDACTED]'));
}

export interface LoggerOptions {
  level: string;
  bindings?: Record<string, unknown>;
  redact?: Redact;
  destination?: DestinationStream;
}

export function createLogger({ level, bindings = {}, redact = createRedactor(), destination }: LoggerOptions): Logger {
  const logger = pino(
    {
      level,
      base: null,
      redact: {
        paths: ['authorization', 'token', 'secret', 'headers.authorization', 'auth_token', 'platform_inbound_secret'],
        censor: '[REDACTED]',
      },
      hooks: { streamWrite: redact },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  );
  return logger.child(bindings);
}
