// All route tables, merged: what the authorization matrix, OpenAPI and the client iterate.

import { activityRoutes, eventRoutes } from './activity.ts';
import { authRoutes } from './auth.ts';
import { bundleRoutes } from './bundles.ts';
import { channelRoutes } from './channels.ts';
import { delegationRoutes } from './delegation.ts';
import { fileRoutes, pendingUploadRoutes, terminalRoutes, transcriptRoutes } from './files.ts';
import { imageRoutes } from './images.ts';
import { lifecycleRoutes } from './lifecycle.ts';
import { machineRoutes } from './machines.ts';
import { cardRoutes, messagingRoutes } from './messaging.ts';
import { operationsRoutes } from './operations.ts';
import { orgRoutes } from './org.ts';
import { pluginRoutes } from './plugins.ts';
import { registryRoutes } from './registry.ts';
import { scheduleRoutes } from './schedules.ts';
import { seatRoutes } from './seats.ts';
import { secretRoutes } from './secrets.ts';
import { webhookRoutes } from './webhooks.ts';
import { whyRoutes } from './why.ts';
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
  ...pluginRoutes,
  ...messagingRoutes,
  ...cardRoutes,
  ...delegationRoutes,
  ...scheduleRoutes,
  ...channelRoutes,
  ...webhookRoutes,
  ...whyRoutes,
  ...activityRoutes,
  ...eventRoutes,
  ...fileRoutes,
  ...pendingUploadRoutes,
  ...transcriptRoutes,
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
  plugins: pluginRoutes,
  messaging: messagingRoutes,
  cards: cardRoutes,
  delegation: delegationRoutes,
  schedules: scheduleRoutes,
  channels: channelRoutes,
  webhooks: webhookRoutes,
  why: whyRoutes,
  activity: activityRoutes,
  events: eventRoutes,
  files: fileRoutes,
  uploads: pendingUploadRoutes,
  transcript: transcriptRoutes,
  images: imageRoutes,
  terminal: terminalRoutes,
} as const;
