// The agent's folder: writable places of chapter 40 §2 step 2, and the AGENTS.md of step 5, which tells whatever works there
// where it is. Nothing here is needed for a turn, so a failure is a line in the log.

import { constants, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfig } from './adapters/adapter.ts';
import type { Logger } from './logger.ts';
import type { ToolSpec } from './tools/tool.ts';

/** Below the workspace root; files in and out of chats lie here. */
export const UPLOADS = '.molecule/chat-uploads';
const MARKER = '<!-- Written by the Molecule runtime at every start. -->';
const EARLIER = 'AGENTS.before-molecule.md';

export function prepareFolder(root: string, log: Logger): void {
  try {
    mkdirSync(join(root, UPLOADS), { recursive: true });
  } catch (error) {
    log.warn({ err: error }, 'the workspace folder cannot be written to; files cannot be exchanged');
  }
}

function render(config: AgentConfig, endpoint: string, tools: readonly ToolSpec[]): string {
  const plugins = Array.isArray(config.raw.plugins) ? config.raw.plugins.filter((one) => typeof one === 'string') : [];
  return [
    MARKER,
    `# ${config.name}`,
    ...(config.role ? [`Role: ${config.role}`] : []),
    ...(config.description && config.description !== config.role ? [config.description] : []),
    `A2A endpoint: ${endpoint}`,
    `## Tools\n\n${tools.map((tool) => `- ${tool.name}: ${tool.description}`).join('\n')}`,
    ...(plugins.length > 0 ? [`## Plugins\n\n${plugins.map((plugin) => `- ${plugin}`).join('\n')}`] : []),
    '',
  ].join('\n\n');
}

/** Always overwritten. A file of somebody else's, as in a checkout of a person's own project, is copied aside once. */
export function writeAgentsFile(input: {
  root: string;
  config: AgentConfig;
  endpoint: string;
  tools: readonly ToolSpec[];
  log: Logger;
}): void {
  const { root, config, endpoint, tools, log } = input;
  const path = join(root, 'AGENTS.md');
  const aside = join(root, EARLIER);
  try {
    if (existsSync(path) && !existsSync(aside) && !readFileSync(path, 'utf8').startsWith(MARKER))
      copyFileSync(path, aside, constants.COPYFILE_EXCL);
    writeFileSync(path, render(config, endpoint, tools));
  } catch (error) {
    log.warn({ err: error }, 'AGENTS.md could not be written');
  }
}
