// All route tables, merged: what the authorization matrix, OpenAPI and the client iterate.

import { activityRoutes, eventRoutes } from './activity.ts';
import { authRoutes } from './auth.ts';
import { bundleRoutes } from './bundles.ts';
import { delegationRoutes } from './delegation.ts';
import { fileRoutes, terminalRoutes } from './files.ts';
import { imageRoutes } from './images.ts';
import { lifecycleRoutes } from './lifecycle.ts';
import { machineRoutes } from './machines.ts';
import { messagingRoutes } from './messaging.ts';
import { operationsRoutes } from './operations.ts';
import { orgRoutes } from './org.ts';
import { registryRoutes } from './registry.ts';
import { scheduleRoutes } from './schedules.ts';
import { seatRoutes } from './seats.ts';
import { secretRoutes } from './secrets.ts';
import { canvasRoutes, workspaceRoutes } from './workspaces.ts';

export const ROUTES = {
  ...operationsRoutes,
  ...authRoutes,
  ...workspaceRoutes,
  ...lifecycleRoutes,
  ...machineRoutes,
  ...seatRoutes,
  ...canvasRoutes,
  ...registryRoutes,
  ...secretRoutes,
  ...orgRoutes,
  ...bundleRoutes,
  ...messagingRoutes,
  ...delegationRoutes,
  ...scheduleRoutes,
  ...activityRoutes,
  ...eventRoutes,
  ...fileRoutes,
  ...imageRoutes,
  ...terminalRoutes,
} as const;

export type RouteName = keyof typeof ROUTES;

/** Tables by the domain folder that serves them, for docs and composition. */
export const ROUTE_TABLES = {
  operations: operationsRoutes,
  auth: authRoutes,
  workspaces: workspaceRoutes,
  lifecycle: lifecycleRoutes,
  machines: machineRoutes,
  seats: seatRoutes,
  canvas: canvasRoutes,
  registry: registryRoutes,
  secrets: secretRoutes,
  org: orgRoutes,
  bundles: bundleRoutes,
  messaging: messagingRoutes,
  delegation: delegationRoutes,
  schedules: scheduleRoutes,
  activity: activityRoutes,
  events: eventRoutes,
  files: fileRoutes,
  images: imageRoutes,
  terminal: terminalRoutes,
} as const;
