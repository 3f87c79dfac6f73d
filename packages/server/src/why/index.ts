// Why: the answer to "why is it stuck" (chapter 20 §12.4), read from the domains below. Owns no table and changes nothing.

import type { FastifyInstance } from 'fastify';
import type { Authorize } from '../platform/http.ts';
import { mountWhyRoutes } from './routes.ts';
import { createWhyService, type WhyDeps } from './service.ts';

export interface Why {
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export function createWhy(deps: WhyDeps): Why {
  const service = createWhyService(deps);
  return { mount: (app, authorize) => mountWhyRoutes(app, authorize, service) };
}
