// What of the chosen files goes up and what does not, and in which parts. Pure, but for reading the files.

import { join, refuseName } from './place.ts';

/** Of one file: configuration is text a person wrote. */
export const MOST_BYTES = 1024 * 1024;
/** Of one request; JSON adds to it, and the platform takes 8 MiB and 200 files. */
const PART_BYTES = 3 * 1024 * 1024;
const PART_FILES = 100;

/** Folders and files that are nobody's configuration, and the seat's own credentials, which the platform keeps. */
const LEFT_OUT = new Set([
  '.git',
  '__pycache__',
  'node_modules',
  '.DS_Store',
  '.auth_token',
  '.platform_inbound_secret',
]);

export interface Chosen {
  /** Below the folder it goes to. */
  path: string;
  file: Pick<File, 'size' | 'arrayBuffer'>;
}

export interface UploadPlan {
  /** Text by path below the root. */
  files: Record<string, string>;
  skipped: { path: string; reason: string }[];
}

async function readText(file: Chosen['file']): Promise<string | null> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer());
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}

export async function planUpload(folder: string, chosen: readonly Chosen[]): Promise<UploadPlan> {
  const plan: UploadPlan = { files: {}, skipped: [] };
  for (const { path, file } of chosen) {
    const skip = (reason: string) => plan.skipped.push({ path, reason });
    const text = file.size > MOST_BYTES ? null : await readText(file);
    if (path.split('/').some((name) => LEFT_OUT.has(name))) skip('not kept here');
    else if (refuseName(path) !== null) skip('its name cannot be kept');
    else if (file.size > MOST_BYTES) skip('larger than 1 MB');
    else if (text === null) skip('no text');
    else plan.files[join(folder, path)] = text;
  }
  return plan;
}

/** The files in parts the platform takes, in their order. */
export function splitUpload(files: Readonly<Record<string, string>>): Record<string, string>[] {
  const parts: Record<string, string>[] = [];
  let bytes = 0;
  let count = 0;
  for (const [path, text] of Object.entries(files)) {
    const size = new Blob([text]).size;
    const part = parts.at(-1);
    if (part && count < PART_FILES && bytes + size <= PART_BYTES) {
      part[path] = text;
      bytes += size;
      count += 1;
      continue;
    }
    parts.push({ [path]: text });
    bytes = size;
    count = 1;
  }
  return parts;
}
