// What a driver error means to a caller. Matched on `code`; on text only where node-postgres gives none.

const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
  '53300',
  '25P03',
]);

/** What node-postgres reports without a code. A rollback on a lost connection hides the error that lost it behind the third. */
const DRIVER_SAYS_UNAVAILABLE =
  /^(Connection terminated|timeout (exceeded when trying to connect|expired)|Client (has encountered a connection error|was closed) and is not queryable|Query read timeout|Cannot use a pool after calling end)/;

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** The disk under the datastore is full, or below the floor where the embedded store refuses writes. */
export function isStoreFull(error: unknown): boolean {
  return codeOf(error) === '53100';
}

/** The datastore cannot be reached, or ended the session; a repeat may succeed. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  if (UNAVAILABLE.has(code) || code.startsWith('08')) return true;
  return error instanceof Error && DRIVER_SAYS_UNAVAILABLE.test(error.message);
}
