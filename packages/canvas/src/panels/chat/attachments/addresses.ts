// Where a file of a message is and how it may be shown (spec chapter 50 §7.1 "Files"). Pure.

import type { ChatFile } from '../turns.ts';

const AGENT_ROOTS = /^\/(configs|workspace|home|plugins)\//;
const PENDING = /^platform-pending:([^/]+)\/([^/]+)$/;
export const MOST_PREVIEW_BYTES = 10 * 1024 * 1024;

/** `ours`: fetched through the platform; `web`: opened in a new tab; `inert`: cannot be opened from here. */
export type FileAddress = { is: 'ours'; path: string } | { is: 'web'; url: string } | { is: 'inert' };

export function addressOf(workspaceId: string, uri: string): FileAddress {
  const pending = PENDING.exec(uri);
  if (pending) {
    const [, owner = '', file = ''] = pending;
    const path = `/workspaces/${encodeURIComponent(owner)}/pending-uploads/${encodeURIComponent(file)}/content`;
    return { is: 'ours', path };
  }
  if (/^https?:/i.test(uri)) return { is: 'web', url: uri };
  const path = uri.replace(/^workspace:/, '').replace(/^file:\/\//, '');
  if (!AGENT_ROOTS.test(path)) return { is: 'inert' };
  const query = new URLSearchParams({ path });
  return { is: 'ours', path: `/workspaces/${encodeURIComponent(workspaceId)}/chat/download?${query}` };
}

export type PreviewKind = 'image' | 'text';

const IMAGES: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
};
const TEXTS =
  /\.(txt|md|markdown|csv|tsv|json|jsonl|ya?ml|toml|ini|env|log|diff|patch|ts|tsx|js|jsx|mjs|py|go|rs|java|rb|sh|sql|css)$/i;
/** Documents that could act in the name of the page that shows them. */
const ACTIVE_NAME = /\.(svgz?|x?html?)$/i;
const ACTIVE_TYPE = /svg|html/i;

/** The image type of a name; null for what is no image that is shown. */
export function imageTypeOf({ name, mimeType = '' }: Pick<ChatFile, 'name' | 'mimeType'>): string | null {
  const extension = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
  const type = mimeType.toLowerCase();
  return Object.values(IMAGES).find((known) => known === type) ?? IMAGES[extension] ?? null;
}

/** Null: it is only downloaded. */
export function previewKindOf(file: Pick<ChatFile, 'name' | 'mimeType' | 'size'>): PreviewKind | null {
  if (file.size !== undefined && file.size > MOST_PREVIEW_BYTES) return null;
  if (ACTIVE_NAME.test(file.name) || ACTIVE_TYPE.test(file.mimeType ?? '')) return null;
  if (imageTypeOf(file)) return 'image';
  const isText = /^(text\/|application\/(json|yaml|x-yaml|toml))/i.test(file.mimeType ?? '');
  return isText || TEXTS.test(file.name) ? 'text' : null;
}
