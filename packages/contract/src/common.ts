// Schemas several domains share: ids, times, truncation-safe text. No domain rule lives here.

import { z } from 'zod';

/** Lower case once parsed: ids are compared with tokens and are the keys of caches. */
export const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, 'must be a valid UUID')
  .toLowerCase();
/** What a column of type `int` holds. */
export const int32 = z.number().int().max(2_147_483_647);
/** RFC 3339, UTC. A `Date` is accepted on the way out and written as text. */
export const time = z.union([z.string(), z.date().transform((date) => date.toISOString())]).pipe(z.string());
export const nullableTime = time.nullable();
export const jsonValue: z.ZodType<unknown> = z.unknown();
export const jsonObject = z.record(z.string(), z.unknown());
/** A query flag: `?confirm=true`. Anything but `true`/`1` is false. */
export const flag = z
  .string()
  .optional()
  .transform((text) => text === 'true' || text === '1');
/** A page size that falls back to its default when it is not a number, and is capped (chapter 20 §5.3). */
export const pageLimit = (fallback: number, most: number) =>
  z
    .string()
    .optional()
    .transform((text) => {
      const count = Number(text);
      return Number.isInteger(count) && count > 0 ? Math.min(count, most) : fallback;
    });
export const idParams = z.object({ id: uuid });
export const status = <T extends string>(text: T) => z.object({ status: z.literal(text) });
