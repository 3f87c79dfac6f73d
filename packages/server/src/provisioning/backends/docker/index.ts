// The `docker` backend: one container per workspace on a container engine (chapter 10 §7.5). Workloads outlive the platform;
// every replica sees the same ones. Owns the order of a start and of a stop; what a container is made of lies beside.

import type Dockerode from 'dockerode';
import type { DockerSettings } from '../../../config.ts';
import type { Logger } from '../../../platform/log.ts';
import {
  type Backend,
  OvertakenError,
  StartRefusedError,
  type WorkloadExit,
  type WorkloadSpec,
} from '../../backend.ts';
import { imageOf } from '../image-reference.ts';
import { createPorts } from '../ports.ts';
import {
  AGENT_PORT,
  configVolume,
  containerName,
  findIdPrefix,
  MANAGED_LABEL,
  NETWORK,
  PLATFORM_LABEL,
  sessionVolume,
  WORKSPACE_LABEL,
  workspaceVolume,
} from '../workload-names.ts';
import { keepsSessions, planContainer, sharesHostNetwork } from './container-spec.ts';
import { connectEngine, socketOf } from './engine.ts';
import { asError, isMissingBind, isNameTaken, isNotFound, isPortTaken, isRemovalInProgress } from './engine-errors.ts';
import { createExitWatch, readLogLines } from './exits.ts';
import { createContainerFiles } from './files.ts';
import { createImageRefresh } from './image-refresh.ts';
import { createEngineImages } from './images.ts';
import { withUnixLines } from './tar.ts';
import { openContainerTerminal } from './terminal.ts';
import { createVolumes } from './volumes.ts';

const START_LIMIT_MS = 180_000;
const STATE_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 30_000;
const MOST_PORT_TRIES = 5;
const OLD_HELPER_MS = 600_000;
const CONFIG_LIMIT_BYTES = 5 * 1024 * 1024;

export interface DockerBackendOptions {
  settings: DockerSettings;
  imagePrefix: string;
  platformUrl(): string;
  log: Logger;
  onExit(exit: WorkloadExit): void;
}

export function createDockerBackend(options: DockerBackendOptions): Backend {
  const { log, imagePrefix, platformUrl, settings } = options;
  const engine = connectEngine(settings.host);
  const images = createEngineImages({ engine, platform: settings.imagePlatform, login: settings.registryLogin, log });
  const volumes = createVolumes(engine);
  const watch = createExitWatch({ engine, log, onExit: options.onExit });
  const ports = createPorts();
  /** Starts in progress; replaced or gone = the start was overtaken and must not run. */
  const starting = new Map<string, WorkloadSpec>();
  let closed = false;
  let cpus: Promise<number> | null = null;

  const containerOf = (id: string) => engine.getContainer(containerName(id));
  const within = (limitMs: number) => ({ abortSignal: AbortSignal.timeout(limitMs) });

  /** Force-removes: after a graceful stop the restart policy could start it again (chapter 10 §7.5). */
  async function removeContainer(container: Dockerode.Container, workspaceId: string): Promise<void> {
    try {
      await container.remove({ ...within(STOP_LIMIT_MS), force: true });
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isRemovalInProgress(error)) throw error;
      log.info({ workspace_id: workspaceId }, 'the container is being removed already');
    }
  }

  async function stop(id: string): Promise<void> {
    starting.delete(id);
    await removeContainer(containerOf(id), id);
  }

  async function ensureNetwork(): Promise<void> {
    try {
      await engine.getNetwork(NETWORK).inspect();
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await engine
        .createNetwork({ Name: NETWORK, CheckDuplicate: true, Labels: { [MANAGED_LABEL]: 'true' } })
        .catch((raced: unknown) => {
          if ((raced as { statusCode?: number }).statusCode !== 409) throw raced;
        });
    }
  }

  async function prepareVolumes(spec: WorkloadSpec): Promise<void> {
    const { id } = spec;
    await volumes.ensureVolume(id, configVolume(id));
    const resets = spec.resetSession || spec.env.WORKSPACE_RESET_SESSION === '1';
    if (resets) await volumes.removeVolume(sessionVolume(id));
    if (keepsSessions(spec.runtime)) await volumes.ensureVolume(id, sessionVolume(id));
    if (spec.tier !== 1 && spec.workspaceDir === null) await volumes.ensureVolume(id, workspaceVolume(id));
  }

  /** Credentials lie in the volume before the container runs, so an agent never starts without them. */
  function listStartFiles(spec: WorkloadSpec): Record<string, string> {
    return {
      ...withUnixLines(spec.files),
      ...(spec.authToken === null ? {} : { '.auth_token': spec.authToken }),
      '.platform_inbound_secret': spec.inboundSecret,
    };
  }

  function urlOf(spec: WorkloadSpec, port: number): string {
    if (!settings.inContainer) return `http://127.0.0.1:${port}`;
    return sharesHostNetwork(spec.tier)
      ? `http://host.docker.internal:${port}`
      : `http://${containerName(spec.id)}:${AGENT_PORT}`;
  }

  function assertWanted(spec: WorkloadSpec): void {
    if (closed || starting.get(spec.id) !== spec) throw new OvertakenError('the start was overtaken');
  }

  async function createContainer(spec: WorkloadSpec, image: string, port: number): Promise<Dockerode.Container> {
    cpus ??= engine.info().then((info: { NCPU: number }) => info.NCPU);
    const create = planContainer({
      spec,
      image,
      port,
      caps: settings.tierCaps,
      cpus: await cpus.catch((error: unknown) => {
        cpus = null;
        throw error;
      }),
      platformUrl: platformUrl(),
      dockerSocket: socketOf(settings.host),
    });
    try {
      return await engine.createContainer(create);
    } catch (error) {
      if (isMissingBind(error))
        throw new StartRefusedError(`workspace_dir ${spec.workspaceDir} is not a folder on the machine of the engine`);
      if (!isNameTaken(error)) throw error;
      // The one before is on its way out; the engine keeps its name until it is gone.
      await containerOf(spec.id)
        .wait({ ...within(STOP_LIMIT_MS), condition: 'removed' })
        .catch((gone: unknown) => {
          if (!isNotFound(gone)) throw gone;
        });
      return await engine.createContainer(create);
    }
  }

  /** One container on one port. @throws the engine's error when the port turned out to be taken; nothing is left then. */
  async function launch(spec: WorkloadSpec, image: string, digest: string, port: number): Promise<void> {
    await spec.publish(urlOf(spec, port));
    assertWanted(spec);
    const container = await createContainer(spec, image, port);
    try {
      await volumes.writeInto(container, '/configs', listStartFiles(spec));
      await spec.record({ imageDigest: digest });
      assertWanted(spec);
      await container.start();
      assertWanted(spec);
    } catch (error) {
      await removeContainer(container, spec.id);
      throw error;
    }
  }

  async function launchOnFreePort(spec: WorkloadSpec, image: string, digest: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await ports.withPort((port) => launch(spec, image, digest, port));
      } catch (error) {
        if (!isPortTaken(error) || tries >= MOST_PORT_TRIES) throw error;
        log.info({ workspace_id: spec.id }, 'the port of a container was taken; trying another');
      }
    }
  }

  async function start(spec: WorkloadSpec): Promise<void> {
    if (closed) throw new OvertakenError('the platform is stopping');
    await stop(spec.id);
    starting.set(spec.id, spec);
    try {
      await watch.open();
      const reference = imageOf(imagePrefix, spec.runtime, settings.ignorePins ? null : spec.imageDigest);
      const image = await images.ensure(reference, spec.runtime, AbortSignal.timeout(START_LIMIT_MS));
      await ensureNetwork();
      assertWanted(spec);
      await prepareVolumes(spec);
      await launchOnFreePort(spec, reference, images.digestOf(image, reference));
    } finally {
      if (starting.get(spec.id) === spec) starting.delete(spec.id);
    }
    log.info({ workspace_id: spec.id, tier: spec.tier, container: containerName(spec.id) }, 'agent container started');
  }

  const listContainers = () => engine.listContainers({ ...within(STATE_LIMIT_MS), all: true });
  const isManaged = ({ Labels }: Dockerode.ContainerInfo) => Labels[MANAGED_LABEL] === 'true';
  const idsOf = (labelled: { Labels: Record<string, string> | null }[]) =>
    labelled.flatMap(({ Labels }) => Labels?.[WORKSPACE_LABEL] ?? []);

  async function listManaged(): Promise<string[]> {
    const filters = { label: [`${MANAGED_LABEL}=true`] };
    const [containers, { Volumes: stored }] = await Promise.all([
      listContainers(),
      engine.listVolumes({ filters: JSON.stringify(filters) as never }),
    ]);
    return [...new Set([...idsOf(containers.filter(isManaged)), ...idsOf(stored ?? [])])];
  }

  return {
    name: 'docker',
    scope: 'shared',
    deliversTokens: true,
    probe: { everyMs: 15_000, parallel: 8 },
    start,
    stop,
    async isRunning(id) {
      if (starting.has(id)) return { running: true };
      try {
        const { State } = await containerOf(id).inspect(within(STATE_LIMIT_MS));
        return { running: State.Running || State.Restarting || State.Paused };
      } catch (error) {
        return isNotFound(error) ? { running: false } : { running: true, error: asError(error) };
      }
    },
    writeFiles: (id, files) => volumes.writeConfig(id, withUnixLines(files)),
    async readConfigFile(id, path) {
      const content = await volumes.withPlace(id, async ({ container }) => {
        const stat = await volumes.statPath(container, `/configs/${path}`);
        if (stat === null || stat.isDirectory || stat.isLink) return null;
        return await volumes.readFile(container, `/configs/${path}`, CONFIG_LIMIT_BYTES);
      });
      return content?.toString('utf8') ?? null;
    },
    async readLog(id, lines) {
      try {
        const all = await readLogLines(containerOf(id), lines + 1);
        return { lines: all.slice(-lines), truncated: all.length > lines };
      } catch (error) {
        if (isNotFound(error)) return { lines: [], truncated: false };
        throw error;
      }
    },
    listManaged,
    async listWorkloads() {
      const containers = await listContainers();
      const prefixes = containers.flatMap(({ Names }) => Names.flatMap((name) => findIdPrefix(name) ?? []));
      return { ids: idsOf(containers.filter(isManaged)), prefixes: [...new Set(prefixes)] };
    },
    removeVolumes: (id) => volumes.remove(id),
    /** Ends nothing: what nobody wants is the orphan sweep's, which can tell a removed seat from a row of another database. */
    async adopt(mayKeep) {
      try {
        await watch.open();
        await volumes.removeOldHelpers(OLD_HELPER_MS);
      } catch (error) {
        // The platform serves all the same; the supervision keeps trying and shows the error.
        log.error({ err: error }, 'the container engine cannot be reached');
        return { kept: [], stale: [] };
      }
      const adopted: { id: string; stale: boolean }[] = [];
      for (const { Labels, State } of (await listContainers()).filter(isManaged)) {
        const id = Labels[WORKSPACE_LABEL];
        if (id === undefined || State === 'exited' || State === 'created' || !(await mayKeep(id))) continue;
        adopted.push({ id, stale: Labels[PLATFORM_LABEL] !== platformUrl() });
      }
      return {
        kept: adopted.filter(({ stale }) => !stale).map(({ id }) => id),
        stale: adopted.filter(({ stale }) => stale).map(({ id }) => id),
      };
    },
    async supervise() {
      await watch.open();
      return 0;
    },
    rotateLogs: async () => 0,
    async shutdown() {
      closed = true;
      starting.clear();
      watch.close();
    },
    openTerminal: (id, size) => openContainerTerminal(containerOf(id), size, log),
    files: createContainerFiles({
      volumes,
      async findToolImage() {
        const image = await images.findAny(imagePrefix);
        if (image === null) throw new Error('the engine has no image of a runtime to work on a volume with');
        return image;
      },
    }),
    images: createImageRefresh({ images, imagePrefix, listContainers, engine }),
  };
}
