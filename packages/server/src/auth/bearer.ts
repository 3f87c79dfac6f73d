// The bearer of a request, read and hashed once however many ask for it: every call passes here several times.
// Whose it is, is authorize.ts' business.

import { hash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';

export interface Bearer {
  secret: string;
  /** Its SHA-256 as base64url. */
  key: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null = none; undefined = nobody asked yet. */
    bearer: Bearer | null | undefined;
  }
}

export const keyOf = (secret: string): string => hash('sha256', secret, 'base64url');

/** The hash a key stands for, as the store has it. */
export const hashOf = (key: string): Buffer => Buffer.from(key, 'base64url');

function readBearer({ headers }: FastifyRequest): Bearer | null {
  const secret = headers.authorization ? /^Bearer\s+(\S+)$/i.exec(headers.authorization)?.[1] : undefined;
  return secret === undefined ? null : { secret, key: keyOf(secret) };
}

export function bearerOf(request: FastifyRequest): Bearer | null {
  if (request.bearer === undefined) request.bearer = readBearer(request);
  return request.bearer;
}
