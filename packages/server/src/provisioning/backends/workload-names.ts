// What things of ours are called where containers run (chapter 10 §7.5). Pure: names and labels, nothing else.

export const NETWORK = 'molecule-net';
/** Where the runtime listens in its container; tier 4 shares the host's ports and gets a free one instead. */
export const AGENT_PORT = 8000;

/** On everything of ours: containers, volumes, the network. */
export const MANAGED_LABEL = 'molecule.platform.managed';
/** The whole workspace id, of which the name holds twelve characters. */
export const WORKSPACE_LABEL = 'molecule.workspace.id';
/** Where the workload was told to find the platform. */
export const PLATFORM_LABEL = 'molecule.platform.url';
export const TIER_LABEL = 'molecule.workspace.tier';

const CONTAINER_NAME = /^\/?ws-([0-9a-f-]{12})$/;

export const shortId = (id: string) => id.slice(0, 12);
export const containerName = (id: string) => `ws-${shortId(id)}`;
export const configVolume = (id: string) => `ws-${shortId(id)}-configs`;
export const sessionVolume = (id: string) => `ws-${shortId(id)}-claude-sessions`;
export const workspaceVolume = (id: string) => `ws-${id}-workspace`;
export const listVolumeNames = (id: string) => [configVolume(id), sessionVolume(id), workspaceVolume(id)];

export const labelsOf = (id: string): Record<string, string> => ({ [MANAGED_LABEL]: 'true', [WORKSPACE_LABEL]: id });

/** The twelve characters of the id a container of that name belongs to; null when the name is not one of ours. */
export const findIdPrefix = (name: string): string | null => CONTAINER_NAME.exec(name)?.[1] ?? null;
