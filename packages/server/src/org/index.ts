// Organisations: the tree, who may talk to whom (hierarchy.ts), templates and their import (chapter 30 §2).

import { existsSync } from 'node:fs';
import { type EnvRequirement, orgRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { Database } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import { type Provisioning, resolveInside } from '../provisioning/index.ts';
import type { Secrets } from '../secrets/index.ts';
import { assertKnownRuntime, RUNTIME_CHOICE, type Workspaces } from '../workspaces/index.ts';
import { createImporter } from './import.ts';
import {
  collectEnv,
  countNodes,
  findOrgFile,
  listTemplates,
  loadTemplate,
  type OrgTemplate,
  parseTemplate,
  type TemplateNode,
} from './template.ts';
import { assertNoIncludes, TemplateError } from './yaml-include.ts';

export interface Org {
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface OrgDeps {
  db: Database;
  config: Config;
  workspaces: Workspaces;
  secrets: Secrets;
  provisioning: Provisioning;
  events: Events;
  log: Logger;
}

const membersOf = (entry: EnvRequirement) => (typeof entry === 'string' ? [entry] : entry.any_of);

export function createOrg({ db, config, workspaces, secrets, provisioning, log }: OrgDeps): Org {
  const importer = createImporter({ db, workspaces, secrets, provisioning, log });

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

  /** Before anything is written (ruling R8). */
  function assertRuntimes(template: OrgTemplate): void {
    const visit = (node: TemplateNode): void => {
      const runtime = node.external ? 'external' : (node.runtime ?? template.defaults.runtime);
      if (runtime && runtime !== RUNTIME_CHOICE) assertKnownRuntime(runtime);
      node.children.forEach(visit);
    };
    template.workspaces.forEach(visit);
  }

  /** Every required entry needs a global secret with a value. There is no way around it. */
  async function assertEnv(template: OrgTemplate): Promise<void> {
    const { required } = collectEnv(template, log);
    if (required.length === 0) return;
    const present = new Set(await secrets.globalKeys());
    const missing = required.filter((entry) => !membersOf(entry).some((name) => present.has(name)));
    if (missing.length === 0) return;
    throw new PlatformError(
      'missing_env',
      `required secrets are not set: ${missing.map((entry) => membersOf(entry).join(' or ')).join(', ')}`,
      {
        missing_env: missing,
        required_env: required,
        template: template.name,
        suggestion: 'save them with POST /settings/secrets, then import again',
      },
    );
  }

  return {
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
                workspaces: countNodes(template.workspaces),
                required_env: required,
                recommended_env: recommended,
              };
            }),
          importOrg: async ({ body }) => {
            const { template, folder } = readTemplate(body);
            assertRuntimes(template);
            await assertEnv(template);
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
