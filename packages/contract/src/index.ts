// The wire of Molecule, written once. Everything else derives from these tables.

export * from './activity.ts';
export * from './auth.ts';
export * from './bundles.ts';
export * from './client.ts';
export { idParams, uuid } from './common.ts';
export * from './delegation.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './files.ts';
export * from './images.ts';
export * from './lifecycle.ts';
export * from './machines.ts';
export * from './messaging.ts';
export * from './operations.ts';
export * from './org.ts';
export * from './registry.ts';
export * from './route.ts';
export * from './routes.ts';
export * from './schedules.ts';
export * from './seats.ts';
export * from './secrets.ts';
export * from './stream.ts';
export * from './workspaces.ts';
