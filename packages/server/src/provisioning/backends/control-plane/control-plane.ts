// The `control-plane` backend: machines that somebody else starts for us (chapter 10 §7.6). Which machine a workspace has is
// read from its row; files live on the machine, and tokens are handed out when its agent registers.

import { randomUUID } from 'node:crypto';
import type { Logger } from '../../../platform/log.ts';
import {
  type Backend,
  OvertakenError,
  StartBrokenOffError,
  StartRefusedError,
  type WorkloadSpec,
} from '../../backend.ts';
import type { MachineDebt, MachineDebts } from '../../debts/index.ts';
import { logProvisionEvent } from '../../provlog.ts';
import { imageOf } from '../image-reference.ts';
import type { InstanceRegister } from '../index.ts';
import {
  CALL_MS,
  type ControlPlaneCredentials,
  ControlPlaneRefusalError,
  createControlPlaneClient,
  type Machine,
} from './client.ts';

/** All that people are told: the control plane's own words name machines and networks (chapter 10 §7.4). */
const START_FAILED = 'provisioning failed';
/** Between two tries to end a machine that no row names. */
const REPEAT_MS = 30_000;
const DEBTS_AT_ONCE = 8;

export interface ControlPlaneBackendOptions {
  credentials: ControlPlaneCredentials;
  imagePrefix: string;
  platformUrl(): string;
  instances: InstanceRegister;
  debts: MachineDebts;
  log: Logger;
}

export function createControlPlaneBackend(options: ControlPlaneBackendOptions): Backend {
  const { instances, debts, log } = options;
  const client = createControlPlaneClient(options.credentials);
  let closed = false;

  async function stopMachine(id: string, instanceId: string): Promise<void> {
    await client.stop(id, instanceId);
    logProvisionEvent(log, 'provision.ec2_stopped', { workspace_id: id, instance_id: instanceId });
  }

  async function askForMachine(spec: WorkloadSpec, key: string): Promise<Machine> {
    try {
      return await client.provision({
        key,
        workspaceId: spec.id,
        runtime: spec.runtime,
        tier: spec.tier,
        platformUrl: options.platformUrl(),
        env: spec.env,
        image: spec.imageDigest === null ? null : imageOf(options.imagePrefix, spec.runtime, spec.imageDigest),
      });
    } catch (error) {
      if (error instanceof ControlPlaneRefusalError) {
        log.error({ err: error, workspace_id: spec.id }, 'the control plane started no machine');
        await debts.pay(key);
        throw new StartRefusedError(START_FAILED);
      }
      log.error({ err: error, workspace_id: spec.id }, 'it is not known whether the control plane started a machine');
      await debts.makeDue(key, 0);
      throw new StartBrokenOffError(START_FAILED);
    }
  }

  /** Ends a machine that no row names. @throws when it may still run. */
  async function settle({ key, workspaceId, instanceId }: MachineDebt): Promise<void> {
    try {
      const owed = instanceId ?? (await client.recall(key, workspaceId)).instance_id;
      // Before it is ended: a control plane that knows no keys would make another one each time it is asked.
      if (instanceId === null) await debts.learn(key, owed);
      await stopMachine(workspaceId, owed);
    } catch (error) {
      if (!(error instanceof ControlPlaneRefusalError) || error.isOfCredential) throw error;
      log.warn({ err: error, workspace_id: workspaceId }, 'no machine came of a request whose answer was lost');
    }
    await debts.pay(key);
  }

  async function settleLater(debt: MachineDebt): Promise<boolean> {
    try {
      await settle(debt);
      return true;
    } catch (error) {
      log.error({ err: error, workspace_id: debt.workspaceId }, 'a machine that no workspace has could not be ended');
      await debts.makeDue(debt.key, REPEAT_MS);
      return false;
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
      const key = randomUUID();
      await debts.owe(key, spec.id, CALL_MS + REPEAT_MS);
      const { instance_id: instanceId, state } = await askForMachine(spec, key);
      logProvisionEvent(log, 'provision.ec2_started', {
        workspace_id: spec.id,
        instance_id: instanceId,
        tier: spec.tier,
        runtime: spec.runtime,
        state: state ?? null,
      });
      try {
        await spec.record({ instanceId, requestKey: key });
      } catch (error) {
        // No row names it, so it is ended by what is in memory; what that does not reach is owed.
        await settle({ key, workspaceId: spec.id, instanceId }).catch((failure: unknown) =>
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
      if (instanceId !== null) {
        await stopMachine(id, instanceId);
        await instances.clear(id, instanceId);
      }
      // Else an earlier machine would register in place of the next one. What cannot be ended yet stays owed, whatever follows.
      for (const debt of await debts.of(id)) await settleLater(debt);
    },
    async settleDebts() {
      const settled = await Promise.all((await debts.due(DEBTS_AT_ONCE)).map(settleLater));
      return settled.filter(Boolean).length;
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
