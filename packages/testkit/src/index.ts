// What tests share: a real platform, scripted peers, databases and a clock they can turn.

export * from './clock.ts';
export * from './database.ts';
export * from './fake-agent.ts';
export * from './platform.ts';
export * from './postgres.ts';
