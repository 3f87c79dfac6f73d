// The canvas's one client: same origin, session cookie, no bearer. A GET refused by the rate limit is repeated once;
// a 401 is reported to whoever watches the session, and stays the caller's error.

import { createClient } from '@molecule/contract';

const DEFAULT_PAUSE_SECONDS = 2;
const MOST_PAUSE_SECONDS = 20;

let reportUnauthorized: () => void = () => {};
/** Registers the one watcher of the session. */
export function onUnauthorized(watch: () => void): void {
  reportUnauthorized = watch;
}

async function fetchPatiently(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(input, init);
  if (response.status === 401 && !String(input).startsWith('/auth/')) reportUnauthorized();
  if (response.status !== 429 || (init?.method ?? 'GET') !== 'GET') return response;
  const asked = Number(response.headers.get('retry-after') ?? Number.NaN);
  const seconds = Math.min(Number.isFinite(asked) ? asked : DEFAULT_PAUSE_SECONDS, MOST_PAUSE_SECONDS);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return fetch(input, init);
}

export const api = createClient({ baseUrl: '', fetch: fetchPatiently });
