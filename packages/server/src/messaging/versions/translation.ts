// Between a caller and a target of any two versions (ruling R7): everything in between speaks the canonical v0.3.

import { isObject, type Json } from '../json.ts';
import { toV03Reply, toV10Reply } from './replies.ts';
import { toV10Request, type Version } from './requests.ts';

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

/** @param method the canonical v0.3 method of the request. */
export function createTranslation(caller: Version, target: Version, method: string): Translation {
  return {
    isIdentity: caller === target,
    toTarget: target === '1.0' ? toV10Request : same,
    fromTarget: target === '1.0' ? (reply) => toV03Reply(reply, method) : same,
    toCaller: caller === '1.0' ? (reply) => toV10Reply(reply, method) : same,
  };
}

/** The bytes for the caller: as they came, or translated. What is no JSON object is passed on. */
export function translateBody(translation: Translation, bytes: Buffer, canonical: unknown): Buffer {
  if (translation.isIdentity || !isObject(canonical)) return bytes;
  return Buffer.from(JSON.stringify(translation.toCaller(canonical)));
}
