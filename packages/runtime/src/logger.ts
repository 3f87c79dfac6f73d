// The runtime's log: JSON lines on stderr (stdout belongs to tools), without secrets.

import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

const SECRET_SHAPES =
  /\b(sk-[A-Za-z0-9_-]{8,}|gh[ps]_[A-Za-z0-9]{8,}|github_pat_[A-Za-z0-9_]{8,}|AKIA[A-Z0-9]{12,}|Bearer\s+[A-Za-z0-9._~+/-]{8,}=*)/g;

/** Known shapes of secrets become [REDACTED]. Idempotent. */
export function redact(text: string): string {
  return text.replace(SECRET_SHAPES, '[REDACTED]');
}

export function createLogger(
  level: string,
  bindings: Record<string, unknown> = {},
  destination?: DestinationStream,
): Logger {
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
