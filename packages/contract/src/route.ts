// The shape of one row of the wire contract. Owns types only; the rows live in one file per domain.

import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';

/**
 * Who may call a route (spec chapter 10 §5.3).
 * - PUB: anyone. - ADMIN: session, org token, admin token. - SELF: ADMIN, or the workspace token of `:id`.
 * - OWN: the workspace token of `:id` only. - ANY: any authenticated principal.
 * - REG: the registry gate of chapter 10 §3.2, applied by the handler after the body is parsed.
 * - CALLER: ADMIN or any workspace token; `X-Workspace-ID` is a hint that must agree with the bearer.
 * - COSMETIC: ADMIN, or an Origin of the CORS list. - ROOT: the admin token only.
 * - STATE: SELF, and a token that was revoked by the deletion of `:id` may still learn that.
 */
export type AuthClass = 'PUB' | 'ADMIN' | 'SELF' | 'OWN' | 'ANY' | 'REG' | 'CALLER' | 'COSMETIC' | 'ROOT' | 'STATE';

export const AUTH_CLASSES: readonly AuthClass[] = [
  'PUB',
  'ADMIN',
  'SELF',
  'OWN',
  'ANY',
  'REG',
  'CALLER',
  'COSMETIC',
  'ROOT',
  'STATE',
];

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Route {
  readonly method: HttpMethod;
  /**
   * Path pattern, `/workspaces/:id`. A parameter named `id` or ending in `Id` must be a UUID unless `params` says otherwise.
   * A last segment `*name` is the rest of the path, slashes included.
   */
  readonly path: string;
  readonly auth: AuthClass;
  readonly summary: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Success bodies by status. The lowest status is the default one of a handler that returns a plain body. */
  readonly replies: { readonly [status: number]: z.ZodType };
  /** Error codes the route itself can answer with, beyond those every route shares. */
  readonly errors?: readonly ErrorCode[];
  /** How the body of the reply travels; `json` unless given. Others bypass reply parsing. */
  readonly transport?: 'json' | 'sse' | 'websocket' | 'bytes' | 'text' | 'a2a';
  /** Largest request body in bytes; 1 MiB unless given. */
  readonly bodyLimit?: number;
  /** True: the handler gets the body as a Buffer and parses it itself. */
  readonly rawBody?: boolean;
}

export type RouteTable = Readonly<Record<string, Route>>;

/** Keeps the literal types of a table while checking its rows. */
export function defineRoutes<const T extends RouteTable>(routes: T): T {
  return routes;
}

type Parsed<S, Fallback> = S extends z.ZodType ? z.output<S> : Fallback;
type Sent<S, Fallback> = S extends z.ZodType ? z.input<S> : Fallback;

/** The names in a path pattern, in order. */
export const paramsOf = (path: string): string[] =>
  [...path.matchAll(/[:*]([A-Za-z]+)/g)].map(([, name]) => name ?? '');

/** `:name` segments of a path, and its `*name`, as an object type. */
export type PathParams<P extends string> = P extends `${infer Before}/*${infer Name}`
  ? { [K in Name]: string } & PathParams<Before>
  : NamedParams<P>;

type NamedParams<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? { [K in Name]: string } & NamedParams<`/${Rest}`>
  : P extends `${string}:${infer Name}`
    ? { [K in Name]: string }
    : Record<never, never>;

export type RouteParams<R extends Route> = Parsed<R['params'], PathParams<R['path']>>;
export type RouteQuery<R extends Route> = Parsed<R['query'], Record<never, never>>;
export type RouteBody<R extends Route> = Parsed<R['body'], undefined>;
export type RouteBodyInput<R extends Route> = Sent<R['body'], undefined>;
export type RouteQueryInput<R extends Route> = Sent<R['query'], Record<never, never>>;
export type RouteReplies<R extends Route> = {
  [S in keyof R['replies']]: R['replies'][S] extends z.ZodType ? z.input<R['replies'][S]> : never;
};
export type RouteReply<R extends Route> = RouteReplies<R>[keyof R['replies']];
/** What a client reads: the parsed side of the reply schemas. */
export type RouteResult<R extends Route> = {
  [S in keyof R['replies']]: R['replies'][S] extends z.ZodType ? z.output<R['replies'][S]> : never;
}[keyof R['replies']];
