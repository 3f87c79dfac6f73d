// The environment of an agent (chapter 10 §7.3 step 4) and the config.yaml the platform writes when no template does.

import { stringify } from 'yaml';
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
  platformUrl: string;
  emailDomain: string;
}

export function buildAgentEnvironment({
  row,
  secrets,
  modelEnvironment,
  platformUrl,
  emailDomain,
}: EnvironmentInput): Record<string, string> {
  const email = `${slugOf(row.name)}@${emailDomain}`;
  return {
    GIT_AUTHOR_NAME: row.name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: row.name,
    GIT_COMMITTER_EMAIL: email,
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

const singleLine = (text: string) => text.replace(/[\r\n]+/g, ' ');

/** Every scalar goes through the YAML library, so no name or role can inject a key. */
export function generateConfig(row: WorkspaceRow, model: string): string {
  return stringify(
    {
      name: singleLine(row.name),
      description: singleLine(row.role ?? ''),
      role: singleLine(row.role ?? ''),
      version: '1.0.0',
      tier: row.tier,
      runtime: row.runtime,
      model,
    },
    { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' },
  );
}
