// The platform's logger: structured lines on stderr, secrets never in them.

import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

const SECRET_PATHS = [
  'authorization',
  'cookie',
  'token',
  'auth_token',
  'platform_inbound_secret',
  'secret',
  'value',
  'code',
  'headers.authorization',
  'headers.cookie',
  'req.headers.authorization',
  'req.headers.cookie',
];

/** @param destination stderr unless a test collects the lines. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  return pino(
    { level, base: null, redact: { paths: SECRET_PATHS, censor: '[redacted]' } },
    destination ?? pino.destination({ fd: 2, sync: false }),
  );
}
