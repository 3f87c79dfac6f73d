// What a visitor may see: the login page, the outage page or the canvas. Owns the session probe and the way back after login.

import { ApiError } from '@molecule/contract';
import { create } from 'zustand';
import { api } from './api.ts';

export type Gate =
  | { state: 'probing' }
  | { state: 'login'; message: string | null }
  | { state: 'outage'; message: string; retryAt: number }
  | { state: 'open' };

export const useGate = create<{ gate: Gate }>(() => ({ gate: { state: 'probing' } }));
const setGate = (gate: Gate) => useGate.setState({ gate });

const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 30_000;
let retryMs = FIRST_RETRY_MS;
let retryTimer: ReturnType<typeof setTimeout> | undefined;
let confirming: Promise<boolean> | null = null;

/** A path of this site to go to after login; anything else is ignored. */
export function readReturnPath(search: string): string {
  const path = new URLSearchParams(search).get('return_to') ?? '/';
  return /^\/(?![/\\])/.test(path) && !path.startsWith('/login') ? path : '/';
}

function isOutage(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 0 || error.code === 'platform_unavailable');
}

export function showOutage(error: ApiError): void {
  clearTimeout(retryTimer);
  retryTimer = setTimeout(() => void probeSession(), retryMs);
  setGate({ state: 'outage', message: error.message, retryAt: Date.now() + retryMs });
  retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
}

export function showLogin(message: string | null = null): void {
  if (location.pathname !== '/login') {
    const here = location.pathname + location.search;
    history.replaceState(null, '', here === '/' ? '/login' : `/login?return_to=${encodeURIComponent(here)}`);
  }
  setGate({ state: 'login', message });
}

function open(): void {
  retryMs = FIRST_RETRY_MS;
  if (location.pathname === '/login') history.replaceState(null, '', readReturnPath(location.search));
  setGate({ state: 'open' });
}

/** Only a confirmed missing session shows the login page; a platform that cannot answer shows the outage page. */
export async function probeSession(): Promise<void> {
  clearTimeout(retryTimer);
  try {
    await api.getSession();
    open();
  } catch (error) {
    if (isOutage(error)) showOutage(error);
    else if (error instanceof ApiError && (error.status === 401 || error.status === 403)) showLogin();
    else showOutage(error instanceof ApiError ? error : new ApiError(0, 'unknown', String(error)));
  }
}

/** Whether the session stands, for a 401 or a refused socket during use: one probe for any number of askers. */
export function confirmSession(): Promise<boolean> {
  confirming ??= api
    .getSession()
    .then(() => true)
    .catch((error: unknown) => {
      const missing = error instanceof ApiError && error.status === 401;
      if (missing) showLogin('Your session has ended.');
      return !missing;
    })
    .finally(() => {
      confirming = null;
    });
  return confirming;
}

/** @throws ApiError when the platform refuses. */
export async function signIn(credential: { token: string } | { code: string }): Promise<void> {
  await api.createSession({ body: credential });
  open();
}

/** The code of a sign-in link is used at once and leaves the address bar first. */
export async function enter(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const code = location.pathname === '/login' ? query.get('code') : null;
  if (!code) return probeSession();
  query.delete('code');
  history.replaceState(null, '', query.size > 0 ? `/login?${query}` : '/login');
  try {
    await signIn({ code });
  } catch (error) {
    if (isOutage(error)) return showOutage(error);
    const session = await api.getSession().catch(() => null);
    if (session) return open();
    showLogin('This sign-in link was used already or has expired.');
  }
}
