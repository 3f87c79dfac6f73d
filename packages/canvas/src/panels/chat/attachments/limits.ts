// What may be attached to a message: sizes, names, what is the same file twice (spec chapter 50 §7.1 "Composer"). Pure.

import { UPLOAD_LIMIT, UPLOADED_FILE_LIMIT } from '@molecule/contract';

/** What a form says about one file, beside its bytes. */
const ENVELOPE_BYTES = 1024;

export interface Measured {
  name: string;
  size: number;
}

export interface Picked<F extends Measured> {
  taken: F[];
  /** One sentence per file that was not taken. */
  refused: string[];
}

const inMegabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`;

/**
 * Sorts out what can be sent. The same name and size twice is one file.
 * @param held what is attached already.
 */
export function pickFiles<F extends Measured>(held: readonly Measured[], offered: readonly F[]): Picked<F> {
  const taken: F[] = [];
  const refused: string[] = [];
  const isKnown = (file: Measured) =>
    [...held, ...taken].some((other) => other.name === file.name && other.size === file.size);
  let total = held.reduce((sum, file) => sum + file.size + ENVELOPE_BYTES, 0);
  for (const file of offered) {
    if (isKnown(file)) continue;
    if (file.size === 0) refused.push(`${file.name} is empty.`);
    else if (file.size > UPLOADED_FILE_LIMIT)
      refused.push(
        `${file.name} is ${inMegabytes(file.size)}. At most ${inMegabytes(UPLOADED_FILE_LIMIT)} fit into one file.`,
      );
    else if (total + file.size + ENVELOPE_BYTES > UPLOAD_LIMIT)
      refused.push(`${file.name} does not fit: at most ${inMegabytes(UPLOAD_LIMIT)} go with one message.`);
    else {
      taken.push(file);
      total += file.size + ENVELOPE_BYTES;
    }
  }
  return { taken, refused };
}

/** `image.png` → `image-2.png`, or the first number that is free. */
export function freeName(name: string, used: readonly string[]): string {
  if (!used.includes(name)) return name;
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let number = 2; ; number += 1) {
    const candidate = `${stem}-${number}${extension}`;
    if (!used.includes(candidate)) return candidate;
  }
}
