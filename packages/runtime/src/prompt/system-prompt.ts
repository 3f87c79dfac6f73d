// The agent's system prompt, in the fixed order of chapter 40 §14: what exists of it now.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfig } from '../adapters/adapter.ts';
import type { PlatformClient } from '../link/platform-client.ts';
import type { Logger } from '../logger.ts';
import type { ToolSpec } from '../tools/tool.ts';

interface Peer {
  id: string;
  name: string;
  role: string | null;
  status: string;
  parent_id: string | null;
}

const EXTRA_FILES = ['MEMORY.md', 'USER.md'];

const COORDINATOR_RULES = `## You lead a team
- Delegate the work; do not do it yourself. Hand parts to several members at the same time when they do not depend on each other.
- Put the answers together into one: say what each member found, and what contradicts.
- When a member is not available, say so by name; never pass another one off as it. Try another member before a brief answer of your own.
- Never pass raw errors on. Answer in the language you were asked in.`;

const FAILURE_RULES = `## When a delegation fails
Keep working on what does not depend on it. Repeat a passing failure after half a minute. Report a lasting one with what you tried and what it blocks; never drop it silently.`;

function readPromptFiles(configDir: string, config: AgentConfig, log: Logger): string[] {
  const extra = EXTRA_FILES.filter((name) => !config.promptFiles.includes(name) && existsSync(join(configDir, name)));
  return [...config.promptFiles, ...extra].flatMap((name) => {
    const path = join(configDir, name);
    if (existsSync(path)) return [readFileSync(path, 'utf8').trim()];
    log.warn({ file: name }, 'a prompt file is missing');
    return [];
  });
}

function describePeers(peers: readonly Peer[], self: string): string {
  const relation = (peer: Peer) => (peer.parent_id === self ? 'reports to you' : 'peer or lead');
  const lines = peers.map(
    (peer) => `- ${peer.name} (id ${peer.id}, ${relation(peer)}, ${peer.status})${peer.role ? `: ${peer.role}` : ''}`,
  );
  return `## Who you can work with\n${lines.join('\n')}\nHand a task over with delegate_task and the id.`;
}

function describeTools(tools: readonly ToolSpec[]): string {
  return `## Your tools\n${tools.map((tool) => `- ${tool.name}: ${tool.description} ${tool.whenToUse}`).join('\n')}`;
}

export interface PromptDeps {
  config: AgentConfig;
  configDir: string;
  client: PlatformClient;
  tools: readonly ToolSpec[];
  log: Logger;
}

export function createSystemPrompt({ config, configDir, client, tools, log }: PromptDeps): () => Promise<string> {
  /** A prompt without peers is better than no turn. */
  async function readPeers(): Promise<Peer[]> {
    try {
      const response = await client.request('GET', `/registry/${client.workspaceId}/peers`, { timeoutMs: 3_000 });
      return response.status === 200 && Array.isArray(response.body) ? (response.body as Peer[]) : [];
    } catch (error) {
      log.warn({ err: error }, 'the peers could not be read for the prompt');
      return [];
    }
  }

  return async () => {
    const peers = await readPeers();
    const leads = peers.some((peer) => peer.parent_id === client.workspaceId);
    const sections = [
      `You are ${config.name}${config.role ? `: ${config.role}` : '.'}`,
      ...readPromptFiles(configDir, config, log),
      ...(leads ? [COORDINATOR_RULES] : []),
      ...(peers.length > 0 ? [describePeers(peers, client.workspaceId)] : []),
      ...(tools.length > 0 ? [describeTools(tools)] : []),
      FAILURE_RULES,
    ];
    return sections.filter(Boolean).join('\n\n');
  };
}
