// Bundles: a team as one document, out of one platform and into another (chapter 30 §4). Templates are org's business.

import { bundleRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { type Authorize, mount } from '../platform/http.ts';
import { createExporter, type ExporterDeps } from './export.ts';
import { type BundleImporterDeps, createBundleImporter } from './import.ts';
import { planImport } from './plan.ts';

export type BundlesDeps = ExporterDeps & BundleImporterDeps;

export function createBundles(deps: BundlesDeps) {
  const exporter = createExporter(deps);
  const importer = createBundleImporter(deps);
  return {
    mount: (app: FastifyInstance, authorize: Authorize): void =>
      mount(
        app,
        bundleRoutes,
        {
          exportBundle: ({ params }) => exporter.run(params.id),
          importBundle: async ({ body }) => importer.run(planImport(body, await deps.provisioning.chooseRuntime())),
        },
        authorize,
      ),
  };
}
