// All route tables, merged: what the authorization matrix, OpenAPI and the client iterate.

import { activityRoutes, eventRoutes } from './activity.ts';
import { authRoutes } from './auth.ts';
import { delegationRoutes } from './delegation.ts';
import { fileRoutes } from './files.ts';
import { messagingRoutes } from './messaging.ts';
import { operationsRoutes } from './operations.ts';
import { orgRoutes } from './org.ts';
import { registryRoutes } from './registry.ts';
import { secretRoutes } from './secrets.ts';
import { canvasRoutes, workspaceRoutes } from './workspaces.ts';

export const ROUTES = {
  ...operationsRoutes,
  ...authRoutes,
  ...workspaceRoutes,
  ...canvasRoutes,
  ...registryRoutes,
  ...secretRoutes,
  ...orgRoutes,
  ...messagingRoutes,
  ...delegationRoutes,
  ...activityRoutes,
  ...eventRoutes,
  ...fileRoutes,
} as const;

export type RouteName = keyof typeof ROUTES;

/** Tables by the domain folder that serves them, for docs and composition. */
export const ROUTE_TABLES = {
  operations: operationsRoutes,
  auth: authRoutes,
  workspaces: workspaceRoutes,
  canvas: canvasRoutes,
  registry: registryRoutes,
  secrets: secretRoutes,
  org: orgRoutes,
  messaging: messagingRoutes,
  delegation: delegationRoutes,
  activity: activityRoutes,
  events: eventRoutes,
  files: fileRoutes,
} as const;
