// The backend that is not there (`MOLECULE_PROVISIONER=none`): clean values, and a typed error where one would have to act.

import { type Backend, NoBackendError } from '../backend.ts';

export function createNoBackend(): Backend {
  return {
    name: 'none',
    start: () => Promise.reject(new NoBackendError()),
    stop: async () => {},
    isRunning: async () => ({ running: false, error: new NoBackendError() }),
    readConfig: async () => null,
    writeConfig: async () => {},
    readLog: async () => null,
    listManaged: async () => [],
    removeVolume: async () => {},
    adopt: async () => ({ adopted: 0, reaped: 0 }),
    supervise: async () => {},
    onExit: () => {},
    shutdown: async () => {},
  };
}
