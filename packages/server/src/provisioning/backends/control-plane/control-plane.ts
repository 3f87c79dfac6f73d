// The `control-plane` backend: machines that somebody else starts for us (chapter 10 §7.6). Which machine a workspace has is
// read from its row; files live on the machine, and tokens are handed out when its agent registers.

import type { Logger } from '../../../platform/log.ts';
import { type Backend, OvertakenError, StartRefusedError, type WorkloadSpec } from '../../backend.ts';
import { logProvisionEvent } from '../../provlog.ts';
import { imageOf } from '../image-reference.ts';
import type { InstanceRegister } from '../index.ts';
import { type ControlPlaneCredentials, createControlPlaneClient, type Machine } from './client.ts';

/** All that people are told: the control plane's own words name machines and networks (chapter 10 §7.4). */
const START_FAILED = 'provisioning failed';

export interface ControlPlaneBackendOptions {
  credentials: ControlPlaneCredentials;
  imagePrefix: string;
  platformUrl(): string;
  instances: InstanceRegister;
  log: Logger;
}

export function createControlPlaneBackend(options: ControlPlaneBackendOptions): Backend {
  const { instances, log } = options;
  const client = createControlPlaneClient(options.credentials);
  let closed = false;

  async function stopMachine(id: string, instanceId: string): Promise<void> {
    await client.stop(id, instanceId);
    logProvisionEvent(log, 'provision.ec2_stopped', { workspace_id: id, instance_id: instanceId });
  }

  async function askForMachine(spec: WorkloadSpec): Promise<Machine> {
    try {
      return await client.provision({
        workspaceId: spec.id,
        runtime: spec.runtime,
        tier: spec.tier,
        platformUrl: options.platformUrl(),
        env: spec.env,
        image: spec.imageDigest === null ? null : imageOf(options.imagePrefix, spec.runtime, spec.imageDigest),
      });
    } catch (error) {
      log.error({ err: error, workspace_id: spec.id }, 'the control plane started no machine');
      throw new StartRefusedError(START_FAILED);
    }
  }

  return {
    name: 'control-plane',
    scope: 'shared',
    deliversTokens: false,
    probe: { everyMs: 60_000, parallel: 8 },
    restartStopGapsMs: [1_000, 2_000],
    async start(spec) {
      if (closed) throw new OvertakenError('the platform is stopping');
      const earlier = await instances.find(spec.id);
      const { instance_id: instanceId, state } = await askForMachine(spec);
      logProvisionEvent(log, 'provision.ec2_started', {
        workspace_id: spec.id,
        instance_id: instanceId,
        tier: spec.tier,
        runtime: spec.runtime,
        state: state ?? null,
      });
      try {
        await spec.record({ instanceId });
      } catch (error) {
        // Nobody would find it again, so it is ended by what is in memory.
        await stopMachine(spec.id, instanceId).catch((failure: unknown) =>
          log.error(
            { err: failure, workspace_id: spec.id, instance_id: instanceId },
            'suspected leak: an unrecorded machine',
          ),
        );
        throw error;
      }
      if (earlier !== null && earlier !== instanceId)
        log.warn(
          { workspace_id: spec.id, instance_id: earlier },
          'suspected leak: a newer machine took the place of one that was never seen to stop',
        );
    },
    async stop(id) {
      const instanceId = await instances.find(id);
      if (instanceId === null) return;
      await stopMachine(id, instanceId);
      await instances.clear(id, instanceId);
    },
    async isRunning(id) {
      try {
        const instanceId = await instances.find(id);
        return { running: instanceId !== null && (await client.isRunning(id, instanceId)) };
      } catch (error) {
        return { running: true, error: error instanceof Error ? error : new Error(String(error)) };
      }
    },
    // What a start is given on this wire holds no files: a machine makes its own from what it is told.
    writeFiles: async () => {},
    readConfigFile: async () => null,
    readLog: async () => null,
    listManaged: () => instances.list(),
    // Gone with the machine.
    removeVolumes: async () => {},
    // Machines outlive the platform, and their rows say which they are.
    adopt: async () => ({ kept: [], stale: [] }),
    supervise: async () => 0,
    rotateLogs: async () => 0,
    async shutdown() {
      closed = true;
    },
    async readConsole(id) {
      return (await instances.find(id)) === null ? null : await client.readConsole(id);
    },
  };
}
