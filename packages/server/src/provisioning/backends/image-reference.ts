// Image references: which is meant, and whether a cached one may be trusted (chapter 10 §7.5). Pure.

export interface ImageReference {
  /** Registry, port and path: `localhost:5000/team/x`. */
  repository: string;
  /** Null = none was written. */
  tag: string | null;
  /** `sha256:…`; null = none. */
  digest: string | null;
}

const MOVING_TAGS = new Set(['latest', 'staging', 'main', 'dev', 'edge', 'nightly', 'rolling']);
/** Built on this machine by hand; no registry has it. */
const LOCAL_REPOSITORY = 'workspace-template';

/** No registry is asked for it, not even when it is missing. */
export const isLocalOnly = (reference: string) => parseImageReference(reference).repository === LOCAL_REPOSITORY;

export function parseImageReference(reference: string): ImageReference {
  const [name = '', digest] = reference.split('@');
  // The colon of a registry port comes before a slash, that of a tag after the last one.
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return {
    repository: colon === -1 ? name : name.slice(0, colon),
    tag: colon === -1 ? null : name.slice(colon + 1),
    digest: digest ?? null,
  };
}

/** A reference whose content may change under its name, so that what is cached may be old. A digest never changes. */
export function isMoving(reference: string): boolean {
  const { tag, digest } = parseImageReference(reference);
  if (digest !== null || isLocalOnly(reference)) return false;
  return tag === null || MOVING_TAGS.has(tag);
}

/** The image of a runtime: its pin, else the newest. */
export function imageOf(prefix: string, runtime: string, digest: string | null): string {
  const base = `${prefix}${runtime}`;
  return digest === null ? `${base}:latest` : `${base}@${digest}`;
}

/** True when a container that was configured with this reference runs some moving version of the repository. */
export function isUnpinnedOf(configured: string, repository: string): boolean {
  const parsed = parseImageReference(configured);
  return parsed.digest === null && parsed.repository === repository;
}
