// The connection to the container engine. Owns where it is and how patient a call is.

import { createRequire } from 'node:module';
import type Dockerode from 'dockerode';

const UNIX = 'unix://';
/** Its packages take 8 MB, so they are loaded only where there is an engine. */
const load = createRequire(import.meta.url);

/** Path of the engine's socket on its own host; undefined when it is reached another way. */
export function socketOf(dockerHost: string | null): string | undefined {
  return dockerHost?.startsWith(UNIX) ? dockerHost.slice(UNIX.length) : undefined;
}

/** @param dockerHost `DOCKER_HOST`; other forms than a socket, and none, are dockerode's to read. */
export function connectEngine(dockerHost: string | null): Dockerode {
  const Engine = load('dockerode') as typeof Dockerode;
  const socketPath = socketOf(dockerHost);
  return socketPath ? new Engine({ socketPath }) : new Engine();
}
