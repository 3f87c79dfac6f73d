// Which backend runs the workloads (chapter 10 §7.2). The only place that knows them all by name, and loads only the one it needs.

import type { Config } from '../../config.ts';
import type { Logger } from '../../platform/log.ts';
import { type Backend, noBackend, type WorkloadExit } from '../backend.ts';
import type { MachineDebts } from '../debts/index.ts';

/** What the platform stores about workloads that live elsewhere. */
export interface InstanceRegister {
  /** The machine of a workspace, in any status; null = none is recorded. */
  find(id: string): Promise<string | null>;
  /** After a confirmed stop of that machine; one that was recorded meanwhile stays. */
  clear(id: string, instanceId: string): Promise<void>;
  /** Workspaces with a recorded machine, in any status. */
  list(): Promise<string[]>;
}

export interface BackendDeps {
  config: Config;
  log: Logger;
  platformUrl(): string;
  instances: InstanceRegister;
  debts: MachineDebts;
  onExit(exit: WorkloadExit): void;
  /** Program and arguments of an agent process; the runtime of this repository unless given. */
  agentCommand?: readonly string[] | undefined;
}

export async function createBackend({
  config,
  log,
  platformUrl,
  instances,
  debts,
  onExit,
  agentCommand,
}: BackendDeps): Promise<Backend> {
  switch (config.provisioner) {
    case 'none':
      return noBackend;
    case 'process': {
      const { createProcessBackend } = await import('./process.ts');
      return createProcessBackend({
        dataDir: config.dataDir,
        environment: config.baseEnvironment,
        platformUrl,
        log,
        onExit,
        ...(agentCommand ? { command: agentCommand } : {}),
      });
    }
    case 'docker': {
      const { createDockerBackend } = await import('./docker/index.ts');
      return createDockerBackend({
        settings: config.docker,
        imagePrefix: config.imagePrefix,
        platformUrl,
        log,
        onExit,
      });
    }
    case 'kubernetes': {
      const { createKubernetesBackend } = await import('./kubernetes/kubernetes.ts');
      return createKubernetesBackend({
        kubeconfig: config.kubeconfig,
        namespace: config.kubernetesNamespace,
        imagePrefix: config.imagePrefix,
        caps: config.docker.tierCaps,
        platformUrl,
        log,
        onExit,
      });
    }
    case 'control-plane': {
      const { createControlPlaneBackend } = await import('./control-plane/control-plane.ts');
      return createControlPlaneBackend({
        credentials: {
          baseUrl: config.cpProvisionUrl ?? '',
          orgId: config.orgId,
          sharedSecret: config.cpSharedSecret,
          adminApiToken: config.cpAdminApiToken,
          adminToken: config.adminToken,
        },
        imagePrefix: config.imagePrefix,
        platformUrl,
        instances,
        debts,
        log,
      });
    }
  }
}
