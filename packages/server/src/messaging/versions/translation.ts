// Between a caller and a target of any two versions (ruling R7): everything in between speaks the canonical v0.3.

import { isObject, type Json } from '../json.ts';
import { createV02Replies } from './v0_2/replies.ts';
import { toV03Reply, toV10Reply } from './v1_0/replies.ts';
import { toV10Request } from './v1_0/requests.ts';
import type { TargetVersion, Version } from './version.ts';

export interface Translation {
  /** Replies and frames can go to the caller byte for byte. */
  readonly isIdentity: boolean;
  /** A canonical request in the target's version. */
  toTarget(request: Json): Json;
  /** A reply or frame of the target in the canonical version. */
  fromTarget(reply: unknown): unknown;
  /** A canonical reply or frame in the caller's version. */
  toCaller(reply: unknown): unknown;
}

const same = <T>(value: T): T => value;

function toCallerOf(caller: Version, method: string): Translation['toCaller'] {
  switch (caller) {
    case '0.2':
      return createV02Replies();
    case '0.3':
      return same;
    case '1.0':
      return (reply) => toV10Reply(reply, method);
  }
}

/**
 * One per call.
 * @param method the canonical v0.3 method of the request.
 */
export function createTranslation(caller: Version, target: TargetVersion, method: string): Translation {
  return {
    isIdentity: caller === target,
    toTarget: target === '1.0' ? toV10Request : same,
    fromTarget: target === '1.0' ? (reply) => toV03Reply(reply, method) : same,
    toCaller: toCallerOf(caller, method),
  };
}

/** The bytes for the caller: as they came, or translated. What is no JSON object is passed on. */
export function translateBody(translation: Translation, bytes: Buffer, canonical: unknown): Buffer {
  if (translation.isIdentity || !isObject(canonical)) return bytes;
  return Buffer.from(JSON.stringify(translation.toCaller(canonical)));
}
