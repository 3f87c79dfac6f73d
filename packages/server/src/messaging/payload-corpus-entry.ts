// What an entry of the payload corpus is, and the words entries are made of (chapter 20 §2). For tests only.

import type { Json } from './json.ts';

interface Entry {
  key: string;
  comment: string;
  /** When the entry was added. */
  date: string;
  /** Where such payloads come from. */
  provenance: string;
  headers?: Record<string, string>;
}

/** Stands for an id the platform generates. */
export const GENERATED = '<generated>';

export interface ValidEntry extends Entry {
  version: '0.2' | '0.3' | '1.0';
  body: Json;
  /** What the agent gets, whole; `params` as they must be, ids it generates as GENERATED. */
  canonical: { method: string; params?: Json };
}

export interface InvalidEntry extends Entry {
  /** The bytes of the request. */
  raw: string;
  /** The error contains this. */
  error: string;
  /** JSON-RPC errors name a field; what is no JSON object has none. */
  isRpcError: boolean;
}

export const DATE = '2026-11-25';
export const send = (message: unknown, extra: Json = {}): Json => ({
  jsonrpc: '2.0',
  id: 'request-1',
  method: 'message/send',
  params: { message, ...extra },
});
export const text = (words: string) => ({ kind: 'text', text: words });
export const user = (fields: Json): Json => ({ role: 'user', messageId: 'm-1', ...fields });
