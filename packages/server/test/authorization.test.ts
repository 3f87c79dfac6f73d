// The authorization matrix: every route of the contract × every kind of principal. What a principal may do follows from the
// route's class alone; a refused call must leave the database as it was.

import { type AuthClass, buildPath, type Route, type RouteName } from '@molecule/contract';
import { createSeat, fingerprint, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findForgotten, ROWS, VALID_BODIES, VALID_QUERIES, validParams } from './valid-requests.ts';

const FOREIGN_ORIGIN = 'https://evil.example';

const PRINCIPALS = [
  'none',
  'garbage bearer',
  'own token',
  "another seat's token",
  'revoked token',
  "deleted seat's token",
  'org token',
  'admin token',
  'session',
  'session from a foreign page',
  'dev hatch',
  'dev hatch from a foreign page',
] as const;
type PrincipalKind = (typeof PRINCIPALS)[number];

const OPERATORS: readonly PrincipalKind[] = [
  'org token',
  'admin token',
  'session',
  'session from a foreign page',
  'dev hatch',
  'dev hatch from a foreign page',
];
const SEATS: readonly PrincipalKind[] = ['own token', "another seat's token"];

/** Who passes, by class (chapter 10 §5.3). A foreign page's requests are judged once more below. */
const PASSES: Record<AuthClass, readonly PrincipalKind[]> = {
  PUB: PRINCIPALS,
  ADMIN: OPERATORS,
  SELF: ['own token', ...OPERATORS],
  OWN: ['own token'],
  STATE: ['own token', "deleted seat's token", ...OPERATORS],
  ANY: [...SEATS, ...OPERATORS],
  CALLER: [...SEATS, ...OPERATORS],
  COSMETIC: OPERATORS,
  ROOT: ['admin token', 'dev hatch', 'dev hatch from a foreign page'],
  // The gate of chapter 10 §3.2; see OPERATED_REGISTRY.
  REG: ['own token'],
};
/** Of the registry's own gate: operators edit cards, they do not register or beat for a seat that has its token. */
const OPERATED_REGISTRY: Record<string, boolean> = { register: false, heartbeat: false, updateCard: true };

/** Writes, and sockets, which a browser opens with its cookie from any page. */
const isGuardedByOrigin = (route: Route) => route.method !== 'GET' || route.transport === 'websocket';

/** 0 = passes authorization. */
function expectedRefusal(name: RouteName, route: Route, kind: PrincipalKind): 0 | 401 | 403 {
  const mayOperate = route.auth === 'REG' && OPERATED_REGISTRY[name] && OPERATORS.includes(kind);
  if (!PASSES[route.auth].includes(kind) && !mayOperate) {
    // A browser's ambient credential is refused for its origin before the registry's own gate looks at it.
    return route.auth === 'REG' && kind.endsWith('foreign page') ? 403 : 401;
  }
  return kind.endsWith('foreign page') && route.auth !== 'PUB' && isGuardedByOrigin(route) ? 403 : 0;
}

let test: TestPlatform;
let hatch: TestPlatform;
let other: Seat;
let deleted: Seat;
let orgToken: string;
/** What refused calls are about; they leave it as it is. */
let target: Target;

beforeAll(async () => {
  // Any environment but production has the test-token route.
  test = await startPlatform({ env: { MOLECULE_ENV: 'staging' } });
  hatch = await startPlatform({
    db: test.db,
    dataDir: test.dataDir,
    env: { MOLECULE_ENV: 'development', ADMIN_TOKEN: '' },
  });
  other = await createSeat(test);
  deleted = await createSeat(test);
  await test.admin.deleteWorkspace({ params: { id: deleted.id } });
  orgToken = (await test.admin.createOrgToken({ body: {} })).auth_token;
  target = await createTarget();
});
afterAll(async () => {
  await hatch?.stop();
  await test?.stop();
});

/** The seat a call is about, and who calls. */
interface Target {
  id: string;
  token: string;
  revoked: string;
}

async function createTarget(): Promise<Target> {
  const { id, token } = await createSeat(test, { delivery_mode: 'poll' });
  const { auth_token: revoked } = await test.admin.createToken({ params: { id } });
  const [newest] = (await test.admin.listTokens({ params: { id } })).tokens;
  await test.admin.revokeToken({ params: { id, tokenId: newest?.id ?? '' } });
  return { id, token, revoked };
}

async function signIn(): Promise<string> {
  const response = await fetch(`${test.url}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: test.adminToken }),
  });
  return response.headers.get('set-cookie')?.split(';')[0] ?? '';
}

async function credentialsOf(kind: PrincipalKind, about: Target): Promise<Record<string, string>> {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  switch (kind) {
    case 'none':
    case 'dev hatch':
      return {};
    case 'dev hatch from a foreign page':
      return { origin: FOREIGN_ORIGIN };
    case 'garbage bearer':
      return bearer('garbage');
    case 'own token':
      return bearer(about.token);
    case "another seat's token":
      return bearer(other.token);
    case 'revoked token':
      return bearer(about.revoked);
    case "deleted seat's token":
      return bearer(deleted.token);
    case 'org token':
      return bearer(orgToken);
    case 'admin token':
      return bearer(test.adminToken);
    case 'session':
      return { cookie: await signIn() };
    case 'session from a foreign page':
      return { cookie: await signIn(), origin: FOREIGN_ORIGIN };
  }
}

interface Answer {
  status: number;
  code: string | null;
  /** Refused by authorization, not by what the handler found. */
  refused: 0 | 401 | 403;
}

function judge(status: number, code: string | null): Answer['refused'] {
  if (status === 401 && code === 'unauthenticated') return 401;
  return status === 403 && code === 'origin_refused' ? 403 : 0;
}

async function call(name: RouteName, route: Route, kind: PrincipalKind, given: Target): Promise<Answer> {
  const on = kind.startsWith('dev hatch') ? hatch : test;
  const id = kind === "deleted seat's token" ? deleted.id : given.id;
  const callerId = kind === "another seat's token" ? other.id : id;
  const body = VALID_BODIES[name]?.({ id, callerId, otherId: other.id });
  const credentials = await credentialsOf(kind, given);
  const response = await fetch(on.url + buildPath(route.path, validParams(id), VALID_QUERIES[name]), {
    method: route.method,
    headers: { ...credentials, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const isJson = response.headers.get('content-type')?.includes('application/json') ?? false;
  const code = isJson && response.status >= 400 ? ((await response.json()) as { code: string }).code : null;
  // Streams never end by themselves.
  if (!response.bodyUsed) await response.body?.cancel();
  return { status: response.status, code, refused: judge(response.status, code) };
}

describe('the matrix', () => {
  it('has an expectation for every class and a valid request for every route', () => {
    for (const [name, route] of ROWS) {
      expect([name, PASSES[route.auth]]).toEqual([name, expect.any(Array)]);
      if (route.auth === 'REG') expect([name, typeof OPERATED_REGISTRY[name]]).toEqual([name, 'boolean']);
    }
    expect(findForgotten()).toEqual([]);
  });

  // First all refusals: without a call that is carried out, nothing happens in the background that could hide a change.
  it.each(ROWS)('refused: %s', async (name, route) => {
    const kinds = PRINCIPALS.filter((kind) => expectedRefusal(name, route, kind) !== 0);
    const before = await fingerprint(test.db);
    for (const kind of kinds) {
      const answer = await call(name, route, kind, target);
      const expected = expectedRefusal(name, route, kind);
      expect([kind, answer.status, answer.refused]).toEqual([kind, expected, expected]);
    }
    // Signing in for these calls made sessions; nothing else may have changed.
    expect({ ...(await fingerprint(test.db)), sessions: before.sessions }).toEqual(before);
  });

  it.each(ROWS)('passed on: %s', async (name, route) => {
    for (const kind of PRINCIPALS.filter((one) => expectedRefusal(name, route, one) === 0)) {
      // What is carried out may change the seat, or remove it.
      const about =
        route.method === 'GET' ? target : { ...target, ...(await createSeat(test, { delivery_mode: 'poll' })) };
      const answer = await call(name, route, kind, about);
      expect([kind, answer.refused, answer.code === 'route_not_found']).toEqual([kind, 0, false]);
      expect([kind, answer.status < 500 || [501, 503].includes(answer.status)]).toEqual([kind, true]);
    }
  });
});
