// What a driver error means to a caller. Matched on `code`, never on text.

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
]);

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
  return (
    error instanceof Error &&
    /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Cannot use a pool after calling end)/.test(
      error.message,
    )
  );
}
