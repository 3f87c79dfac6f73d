// Who is calling. Built by auth, read by handlers.

export type Principal =
  | { kind: 'anonymous' }
  | { kind: 'workspace'; workspaceId: string; tokenId: string }
  /** A workspace token that the deletion of its workspace revoked; passes class STATE only. */
  | { kind: 'deleted-workspace'; workspaceId: string }
  | { kind: 'org-token'; tokenId: string; prefix: string; orgId: string | null }
  | { kind: 'admin-token' }
  /** Both null for a session of the control plane, which alone ends it. */
  | { kind: 'session'; sessionId: string | null; expiresAt: Date | null }
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

/** Who is noted as the author of a change; never a credential. */
export function describePrincipal(principal: Principal): string {
  return principal.kind === 'org-token' ? `org-token:${principal.prefix}` : principal.kind;
}
