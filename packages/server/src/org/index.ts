// Organisations: the tree, who may talk to whom (hierarchy.ts), templates and their import (chapter 30 §2).

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { orgRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.ts';
import type { Database } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import { type Provisioning, resolveInside } from '../provisioning/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import { createImporter, type ImporterDeps } from './import.ts';
import { assembleFiles } from './node-config.ts';
import { preflightImport } from './preflight.ts';
import {
  collectEnv,
  findOrgFile,
  listTemplates,
  loadTemplate,
  type OrgTemplate,
  parseTemplate,
  walkNodes,
} from './template.ts';
import { assertNoIncludes, TemplateError } from './yaml-include.ts';

export { findFreePlace, type Point } from './placement.ts';

export interface Org {
  /** What the first template with a workspace of that name gives it; null when there is none. */
  findOrgFiles(row: WorkspaceRow): Record<string, string> | null;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface OrgDeps extends Pick<ImporterDeps, 'seedSchedules'> {
  db: Database;
  config: Config;
  workspaces: Workspaces;
  secrets: Secrets;
  provisioning: Provisioning;
  /** @returns null when an external agent's address may be called, else why not. */
  judgeUrl(url: string): Promise<string | null>;
  log: Logger;
}

export function createOrg(deps: OrgDeps): Org {
  const { config, secrets, provisioning, judgeUrl, log } = deps;
  const importer = createImporter(deps);

  function readTemplate(body: { dir?: string | undefined; template?: Record<string, unknown> | undefined }): {
    template: OrgTemplate;
    folder: string | null;
  } {
    if (body.dir === undefined && body.template === undefined) throw invalid('dir', 'give dir or template');
    try {
      if (body.dir === undefined) {
        assertNoIncludes(body.template);
        return { template: parseTemplate(body.template), folder: null };
      }
      const folder = resolveInside(config.orgTemplatesDir, body.dir);
      if (!folder) throw new PlatformError('invalid_template', 'dir: leaves the templates folder', { field: 'dir' });
      const file = existsSync(folder) ? findOrgFile(folder) : null;
      if (!file) throw notFound('organisation template');
      return { template: loadTemplate(folder, file), folder };
    } catch (error) {
      if (error instanceof TemplateError)
        throw new PlatformError('invalid_template', error.message, {
          field: body.dir === undefined ? 'template' : 'dir',
        });
      throw error;
    }
  }

  function findOrgFiles(row: WorkspaceRow): Record<string, string> | null {
    for (const { dir, template } of listTemplates(config.orgTemplatesDir, log)) {
      const node = [...walkNodes(template.workspaces)].find((one) => one.name === row.name && !one.external);
      if (!node) continue;
      const facts = { runtime: row.runtime, model: node.model ?? template.defaults.model, tier: row.tier };
      const folder = join(config.orgTemplatesDir, dir);
      return assembleFiles(node, facts, { template, folder, readTemplateFiles: provisioning.readTemplateFiles, log });
    }
    return null;
  }

  return {
    findOrgFiles,
    mount: (app, authorize) =>
      mount(
        app,
        orgRoutes,
        {
          listOrgTemplates: async () =>
            listTemplates(config.orgTemplatesDir, log).map(({ dir, template }) => {
              const { required, recommended } = collectEnv(template, log);
              return {
                dir,
                name: template.name,
                description: template.description,
                workspaces: [...walkNodes(template.workspaces)].length,
                required_env: required,
                recommended_env: recommended,
              };
            }),
          importOrg: async ({ body }) => {
            const { template, folder } = readTemplate(body);
            await preflightImport(template, folder, { secrets, variables: config.templateVariables, judgeUrl, log });
            const result = await importer.run(template, folder);
            const reply = {
              org: template.name,
              workspaces: result.workspaces,
              count: result.workspaces.length,
              ...(result.error ? { error: result.error } : {}),
            };
            return answer(result.error ? 207 : 201, reply);
          },
        },
        authorize,
      ),
  };
}
