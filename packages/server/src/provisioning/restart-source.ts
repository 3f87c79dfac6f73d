// Where the files of a restarted seat come from (chapter 10 §7.9). Without a wish the volume stays, so that edits survive.

import { PlatformError } from '../platform/errors.ts';
import type { WorkspaceRow } from '../workspaces/index.ts';
import type { Templates } from './templates.ts';

/** The body of `POST /workspaces/:id/restart`. */
export interface RestartRequest {
  template?: string | undefined;
  apply_template?: boolean | undefined;
  rebuild_config?: boolean | undefined;
  reset?: boolean | undefined;
}

export interface RestartSource {
  /** A template's name, `org-template`, or `existing-volume`. */
  configDir: string;
  /** Null: the volume as it is. */
  files: Record<string, string> | null;
}

/** A template's folder name for a workspace's name (chapter 30 §3.2). */
export function toTemplateName(name: string): string {
  return (
    name
      .toLowerCase()
      .replaceAll(' ', '-')
      .replace(/[^a-z0-9_-]/g, '') || 'unnamed'
  );
}

/**
 * The first that applies: the named template, the one called like the workspace, the organisation template, the runtime's own.
 * @throws invalid_template for a named template that is not there.
 */
export function findRestartSource(
  row: WorkspaceRow,
  request: RestartRequest,
  sources: { templates: Templates; findOrgFiles(row: WorkspaceRow): Record<string, string> | null },
): RestartSource {
  const { templates, findOrgFiles } = sources;
  const from = (name: string): RestartSource | null => {
    const files = templates.filesOf(name);
    return files && { configDir: name, files };
  };
  if (request.template !== undefined) {
    const named = from(request.template);
    if (named) return named;
    throw new PlatformError('invalid_template', `template: there is no template ${JSON.stringify(request.template)}`, {
      field: 'template',
    });
  }
  const alike = request.apply_template ? from(toTemplateName(row.name)) : null;
  if (alike) return alike;
  const rebuilt = request.rebuild_config ? findOrgFiles(row) : null;
  if (rebuilt) return { configDir: 'org-template', files: rebuilt };
  const standard = request.apply_template ? from(`${row.runtime}-default`) : null;
  return standard ?? { configDir: 'existing-volume', files: null };
}
