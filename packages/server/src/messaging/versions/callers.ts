// Which version a request is in, and the request in the canonical v0.3 (chapter 20 §1.4).

import { isObject, type Json } from '../json.ts';
import { toV03Request as fromV02Request, isV02Method } from './v0_2/requests.ts';
import { toV03Request as fromV10Request } from './v1_0/requests.ts';
import type { Version } from './version.ts';

const isPascalCase = (method: unknown) => typeof method === 'string' && /^[A-Z]/.test(method);

/** The version replies are given in: what the method's spelling says, else the header. */
export function readCallerVersion({ method }: Json, versionHeader = ''): Version {
  if (isPascalCase(method)) return '1.0';
  if (isV02Method(method)) return '0.2';
  if (/^1(\.|$)/.test(versionHeader)) return '1.0';
  return /^0\.[12](\.|$)/.test(versionHeader) ? '0.2' : '0.3';
}

/** An upper-case role alone is enough. */
function saysV10Role({ params }: Json): boolean {
  const message = isObject(params) ? params.message : undefined;
  return isObject(message) && String(message.role ?? '').startsWith('ROLE_');
}

/** @returns the very same object where nothing had to be translated. */
export function toCanonicalRequest(body: Json, callerVersion: Version): Json {
  if (isV02Method(body.method)) return fromV02Request(body);
  return callerVersion === '1.0' || saysV10Role(body) ? fromV10Request(body) : body;
}
