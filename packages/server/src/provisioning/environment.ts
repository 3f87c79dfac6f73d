// The environment of an agent (chapter 10 §7.3 step 4). What the backend adds (paths, port) comes last and cannot be overridden.

import type { WorkspaceRow } from '../workspaces/index.ts';

function slugOf(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'agent'
  );
}

export interface EnvironmentInput {
  row: WorkspaceRow;
  secrets: Record<string, string>;
  /** Model keys of the platform's own environment; a secret of the same name wins. */
  modelEnvironment: Readonly<Record<string, string>>;
  model: string;
  platformUrl: string;
  emailDomain: string;
}

export function buildAgentEnvironment(input: EnvironmentInput): Record<string, string> {
  const { row, secrets, modelEnvironment, model, platformUrl, emailDomain } = input;
  const email = `${slugOf(row.name)}@${emailDomain}`;
  return {
    GIT_AUTHOR_NAME: row.name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: row.name,
    GIT_COMMITTER_EMAIL: email,
    ...(row.runtime === 'hermes' ? { HERMES_DEFAULT_MODEL: model } : {}),
    ...modelEnvironment,
    ...secrets,
    ...(row.role ? { MOLECULE_AGENT_ROLE: row.role } : {}),
    // An empty PARENT_ID would make a root look like a child.
    ...(row.parent_id ? { PARENT_ID: row.parent_id } : {}),
    PLATFORM_URL: platformUrl,
    MOLECULE_URL: platformUrl,
    TIER: String(row.tier),
  };
}
