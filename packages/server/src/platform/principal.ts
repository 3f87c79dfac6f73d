// Who is calling. Built by auth, read by handlers.

/** The organisation an organisation token is for; null = none. */
export interface Anchor {
  orgId: string | null;
}

export type Principal =
  | { kind: 'anonymous' }
  | { kind: 'workspace'; workspaceId: string; tokenId: string }
  /** A workspace token that the deletion of its workspace revoked; passes class STATE only. */
  | { kind: 'deleted-workspace'; workspaceId: string }
  | { kind: 'org-token'; tokenId: string; prefix: string; orgId: string | null }
  | { kind: 'admin-token' }
  /** The first two are null for a session of the control plane, which alone ends it; the last is null for one no org token opened. */
  | { kind: 'session'; sessionId: string | null; expiresAt: Date | null; openedBy: Anchor | null }
  | { kind: 'dev-hatch' };

/** A person or operator, not a workspace: chapter 20's "canvas-class". */
export function isAdmin(principal: Principal): boolean {
  return (
    principal.kind === 'session' ||
    principal.kind === 'org-token' ||
    principal.kind === 'admin-token' ||
    principal.kind === 'dev-hatch'
  );
}

/** Null for who is bound to no organisation: the platform's own operators. */
export function anchorOf(principal: Principal): Anchor | null {
  if (principal.kind === 'org-token') return { orgId: principal.orgId };
  return principal.kind === 'session' ? principal.openedBy : null;
}

/** Who is noted as the author of a change; never a credential. */
export function describePrincipal(principal: Principal): string {
  return principal.kind === 'org-token' ? `org-token:${principal.prefix}` : principal.kind;
}
