// The agent's system prompt, in the fixed order of chapter 40 §14: what exists of it now.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfig } from '../adapters/adapter.ts';
import type { PlatformClient } from '../link/platform-client.ts';
import type { Logger } from '../logger.ts';
import { type PeerRow, readPeers, relationTo } from '../tools/platform-answers.ts';
import type { ToolSpec } from '../tools/tool.ts';

const TIMEOUT_MS = 3_000;
const EXTRA_FILES = ['MEMORY.md', 'USER.md'];

const STRICT_RULE = '- Delegate the work; do not do it yourself.';
const ASSIST_RULE = '- Delegate what a member does better; do the rest yourself.';
const coordinatorRules = (mode: string) => `## You lead a team
${mode === 'assist' ? ASSIST_RULE : STRICT_RULE} Hand parts to several members at the same time when they do not depend on each other.
- Put the answers together into one: say what each member found, and what contradicts.
- When a member is not available, say so by name; never pass another one off as it. Try another member before a brief answer of your own.
- Never pass raw errors on. Answer in the language you were asked in.`;

const FAILURE_RULES = `## When a delegation fails
Keep working on what does not depend on it. Repeat a passing failure after half a minute. Report a lasting one with what you tried and what it blocks; never drop it silently.`;

const RELATIONS = { child: 'reports to you', parent: 'your lead', sibling: 'your peer' } as const;

function readPromptFiles(configDir: string, config: AgentConfig, log: Logger): string[] {
  const extra = EXTRA_FILES.filter((name) => !config.promptFiles.includes(name) && existsSync(join(configDir, name)));
  return [...config.promptFiles, ...extra].flatMap((name) => {
    const path = join(configDir, name);
    if (existsSync(path)) return [readFileSync(path, 'utf8').trim()];
    log.warn({ file: name }, 'a prompt file is missing');
    return [];
  });
}

function describePeer(peer: PeerRow, self: string, parentId: string | null): string {
  const skills = (peer.agent_card?.skills ?? []).map((skill) => skill.name ?? skill.id ?? '').filter(Boolean);
  const role = peer.role ? `: ${peer.role}` : '';
  return `- ${peer.name} (id ${peer.id}, ${RELATIONS[relationTo(peer, self, parentId)]}, ${peer.status})${role}${skills.length > 0 ? ` Skills: ${skills.join(', ')}.` : ''}`;
}

function describeTools(tools: readonly ToolSpec[]): string {
  return `## Your tools\n${tools.map((tool) => `- ${tool.name}: ${tool.description} ${tool.whenToUse}`).join('\n')}`;
}

export interface PromptDeps {
  config: AgentConfig;
  configDir: string;
  /** Null for a root. */
  parentId: string | null;
  client: PlatformClient;
  tools: readonly ToolSpec[];
  log: Logger;
}

export function createSystemPrompt(deps: PromptDeps): () => Promise<string> {
  const { config, configDir, parentId, client, tools, log } = deps;
  const self = client.workspaceId;
  const mode = (config.raw.coordinator as { mode?: unknown } | null | undefined)?.mode ?? 'strict';

  /** Rules of the platform; without an answer there are none. */
  async function readInstructions(): Promise<string> {
    try {
      const path = `/workspaces/${self}/instructions/resolve`;
      const { status, body } = await client.request('GET', path, { timeoutMs: TIMEOUT_MS });
      const text = (body as { instructions?: unknown } | null)?.instructions;
      return status === 200 && typeof text === 'string' ? text.trim() : '';
    } catch (error) {
      log.warn({ err: error }, 'the platform instructions could not be read');
      return '';
    }
  }

  /** A prompt without peers is better than no turn. */
  async function listPeers(): Promise<PeerRow[]> {
    try {
      return await readPeers(client, { timeoutMs: TIMEOUT_MS });
    } catch (error) {
      log.warn({ err: error }, 'the peers could not be read for the prompt');
      return [];
    }
  }

  function describePeers(peers: readonly PeerRow[]): string {
    const who = `## Who you are and who you can work with\nYou are ${config.name}${config.role ? `: ${config.role}` : '.'}`;
    if (peers.length === 0) return who;
    const lines = peers.map((peer) => describePeer(peer, self, parentId));
    return `${who}\n${lines.join('\n')}\nHand a task over with delegate_task and the id.`;
  }

  return async () => {
    const [instructions, peers] = await Promise.all([readInstructions(), listPeers()]);
    const leads = mode !== 'off' && peers.some((peer) => peer.parent_id === self);
    const sections = [
      instructions,
      ...readPromptFiles(configDir, config, log),
      leads ? coordinatorRules(String(mode)) : '',
      describePeers(peers),
      tools.length > 0 ? describeTools(tools) : '',
      FAILURE_RULES,
    ];
    return sections.filter(Boolean).join('\n\n');
  };
}
