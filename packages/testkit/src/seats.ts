// Seats and refusals, as most tests need them: a workspace with its token, and the error of a call that must fail.

import { ApiError } from '@molecule/contract';
import type { TestPlatform } from './platform.ts';

export interface Seat {
  id: string;
  token: string;
}

/** An external seat: nothing provisions it, so nothing about it changes behind the test's back. `body` adds fields of POST /workspaces. */
export async function createSeat(
  test: TestPlatform,
  body: Partial<Parameters<TestPlatform['admin']['createWorkspace']>[0]['body']> = {},
): Promise<Seat> {
  const { id, connection } = await test.admin.createWorkspace({
    body: { name: `seat ${Math.random().toString(36).slice(2, 8)}`, external: true, ...body },
  });
  const token = connection?.auth_token ?? (await test.admin.createToken({ params: { id } })).auth_token;
  return { id, token };
}

/** The platform's refusal of a call that must fail. @throws when it was answered, or failed without an answer. */
export async function failureOf(call: Promise<unknown>): Promise<ApiError> {
  const error = await call.then(
    () => new Error('the call was expected to fail'),
    (failure: unknown) => failure,
  );
  if (error instanceof ApiError && error.status > 0) return error;
  throw error;
}
