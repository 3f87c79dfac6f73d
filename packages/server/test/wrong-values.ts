// Wrong values derived from a route's own schemas: which fields there are, and what each of them refuses.

import { z } from 'zod';

/** One of every JSON type, and the figures at the edges. */
const CANDIDATES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  2 ** 31,
  '',
  ' ',
  'a',
  '12',
  [],
  ['a'],
  {},
  { a: 1 },
];
export const UNSTORABLE = ['a\0b', '\0', 'a\ud800b', '\udfff'];

/** The object inside refinements, defaults and options; null for anything else. */
function objectOf(schema: z.ZodType): z.ZodObject | null {
  if (schema instanceof z.ZodObject) return schema;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return objectOf(schema.unwrap() as z.ZodType);
  return null;
}

export function fieldsOf(schema: z.ZodType): Record<string, z.ZodType> {
  const object = objectOf(schema);
  if (!object) throw new Error('the schema is not an object: teach this file about it');
  return object.shape as Record<string, z.ZodType>;
}

export const isRequired = (field: z.ZodType): boolean => !field.safeParse(undefined).success;
export const refusedBy = (field: z.ZodType): unknown[] => CANDIDATES.filter((value) => !field.safeParse(value).success);
/** Takes text for its own sake: not one of a few words, not an id. */
export const takesText = (field: z.ZodType): boolean => field.safeParse('Abc').success && !field.safeParse(5).success;
