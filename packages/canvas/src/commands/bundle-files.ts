// Bundles as files: what they are called, what is read from one, who came of it. Pure.

import { BUNDLE_LIMIT, type BundleInput, type ImportedBundle } from '@molecule/contract';
import { formatBytes } from '../ui/format.ts';

const ENDING = '.bundle.json';

/** `growth-lead.bundle.json` */
export function bundleFileName(name: string): string {
  const slug = name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '');
  return `${slug || 'workspace'}${ENDING}`;
}

export const isBundleFile = ({ name }: { name: string }): boolean => name.toLowerCase().endsWith(ENDING);

/** The document as it stands in the file; the platform judges its fields. @throws Error in words for a person. */
export async function readBundle(file: Pick<File, 'size' | 'text'>): Promise<BundleInput> {
  if (file.size > BUNDLE_LIMIT)
    throw new Error(`it is larger than ${formatBytes(BUNDLE_LIMIT)}, the most a bundle may be`);
  let document: unknown;
  try {
    document = JSON.parse(await file.text());
  } catch {
    throw new Error('it is not JSON');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Error('it is not a bundle');
  return document as BundleInput;
}

/** The root and everyone below it, the nearest first. */
export function listImported(root: ImportedBundle): ImportedBundle[] {
  return [root, ...(root.children ?? []).flatMap(listImported)];
}
