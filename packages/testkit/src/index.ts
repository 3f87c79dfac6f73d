// What tests share: a real platform, scripted peers and models, databases and a clock they can turn.

export * from './a2a.ts';
export * from './broken-column.ts';
export * from './child-environment.ts';
export * from './clock.ts';
export * from './control-plane.ts';
export * from './database.ts';
export * from './embedded-image.ts';
export * from './fake-agent.ts';
export * from './fingerprint.ts';
export * from './kubernetes-api.ts';
export * from './kubernetes-pods.ts';
export * from './link.ts';
export * from './model-server.ts';
export * from './name-server.ts';
export * from './peer.ts';
export * from './platform.ts';
export * from './postgres.ts';
export * from './processes.ts';
export * from './random.ts';
export * from './responders.ts';
export * from './seats.ts';
export * from './small-disk.ts';
export * from './wait.ts';
