// Plugins: what an organisation allows to be installed (chapter 30 §5.6). Owns the allowlists and the question whether a plugin is
// on one. Nothing installs, lists or removes plugins yet (§5.1–5.5); whatever will, asks `isAllowed` at stage 11 of §5.4.

import { pluginRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Database } from '../platform/db/index.ts';
import { notFound } from '../platform/errors.ts';
import { type Authorize, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Workspaces } from '../workspaces/index.ts';
import * as store from './store.ts';

export interface Plugins {
  /**
   * Whether the organisation above a workspace lets it have the plugin. An unreadable list allows: an outage of the store is no
   * refusal, and is logged.
   */
  isAllowed(workspaceId: string, pluginName: string): Promise<boolean>;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface PluginsDeps {
  db: Database;
  workspaces: Pick<Workspaces, 'facts'>;
  log: Logger;
}

export function createPlugins({ db, workspaces, log }: PluginsDeps): Plugins {
  async function readList(executor: store.Executor, orgId: string) {
    const plugins = await store.listAllowed(executor, orgId);
    return { org_id: orgId, plugins, allow_all: plugins.length === 0 };
  }

  return {
    async isAllowed(workspaceId, pluginName) {
      try {
        return await store.isAllowed(db.kysely, workspaceId, pluginName);
      } catch (error) {
        log.error(
          { err: error, workspace_id: workspaceId, plugin: pluginName },
          'a plugin allowlist could not be read; the plugin is allowed',
        );
        return true;
      }
    },
    mount: (app, authorize) =>
      mount(
        app,
        pluginRoutes,
        {
          getPluginAllowlist: async ({ params }) => {
            const facts = await workspaces.facts(params.id);
            if (!facts || facts.parentId !== null || facts.status === 'removed') throw notFound('organisation');
            return await readList(db.kysely, params.id);
          },
          putPluginAllowlist: async ({ params, body }) =>
            await db.tx(async (trx) => {
              if (!(await store.lockOrg(trx, params.id))) throw notFound('organisation');
              await store.replaceAllowed(trx, params.id, [...new Set(body.plugins)], body.enabled_by);
              return await readList(trx, params.id);
            }),
        },
        authorize,
      ),
  };
}
