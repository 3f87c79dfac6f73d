// Sending A2A requests as a test's caller does, and reading what the activity log says of them.

import { randomUUID } from 'node:crypto';
import type { TestPlatform } from './platform.ts';
import { waitFor } from './wait.ts';

export interface A2aReply {
  status: number;
  headers: Headers;
  /** Parsed; null when it is not JSON. */
  body: Record<string, unknown> | null;
  raw: string;
}

export interface SendOptions {
  /** The administrator's unless given; null = no credential at all. */
  token?: string | null;
  headers?: Record<string, string>;
}

/** A v0.3 request with one text part. `message` and `params` add fields. */
export function textRequest(
  text: string,
  extra: { message?: Record<string, unknown>; params?: Record<string, unknown>; method?: string } = {},
): Record<string, unknown> {
  const message = { role: 'user', messageId: randomUUID(), parts: [{ kind: 'text', text }], ...extra.message };
  return { jsonrpc: '2.0', id: 1, method: extra.method ?? 'message/send', params: { message, ...extra.params } };
}

/** POST /workspaces/:id/a2a. An object is sent as JSON, a string as it is. */
export async function sendA2a(
  test: TestPlatform,
  targetId: string,
  body: Record<string, unknown> | string,
  { token = test.adminToken, headers = {} }: SendOptions = {},
): Promise<A2aReply> {
  const response = await fetch(`${test.url}/workspaces/${targetId}/a2a`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const raw = await response.text();
  return { status: response.status, headers: response.headers, body: parse(raw), raw };
}

function parse(raw: string): Record<string, unknown> | null {
  try {
    return JSON.parse(raw);
  } catch {
    return null;
  }
}

export type ActivityElement = Awaited<ReturnType<TestPlatform['admin']['listActivity']>>[number];

/** The newest row of a workspace that fits, as soon as there is one: calls are logged after they are answered. */
export async function waitForActivity(
  test: TestPlatform,
  workspaceId: string,
  fits: (row: ActivityElement) => boolean = () => true,
): Promise<ActivityElement> {
  return await waitFor('an activity row', async () =>
    (await test.admin.listActivity({ params: { id: workspaceId } })).find(fits),
  );
}
