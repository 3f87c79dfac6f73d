// The agent tools (chapter 40 §13) that exist: one list, from which adapters and the prompt's tool guide are made.

import type { LoadedConfig } from '../config.ts';
import type { RuntimeEnvironment } from '../environment.ts';
import type { PlatformClient } from '../link/platform-client.ts';
import type { SeenDelegations } from '../link/seen-delegations.ts';
import type { Timers } from '../link/timers.ts';
import type { Logger } from '../logger.ts';
import { createDelegationTools } from './delegate.ts';
import { createDelegationWatch } from './delegation-watch.ts';
import { createMessageTool } from './message.ts';
import { PlatformRefusal, readPeers, readSelf, relationTo } from './platform-answers.ts';
import type { ToolSpec } from './tool.ts';

export interface ToolDeps {
  client: PlatformClient;
  workspaceRoot: string;
  delegation: { retryAttempts: number; retryDelaySeconds: number; timeoutSeconds: number };
  /** The delegation a turn works on; null: it is nobody's task. */
  delegationOf(turnId: string): string | null;
  timers: Timers;
  log: Logger;
}

export interface AgentTools {
  specs: ToolSpec[];
  /** A tool call waits for this delegation, or makes one right now. */
  isAwaited(delegationId: string): boolean;
}

const noInput = { type: 'object', properties: {} };

/** Refusals of the platform are results the model can read; an abort stays an abort. */
function reporting(spec: ToolSpec, log: Logger): ToolSpec {
  return {
    ...spec,
    async run(input, context) {
      try {
        return await spec.run(input, context);
      } catch (error) {
        if (context.signal.aborted) throw error;
        if (error instanceof PlatformRefusal) return { ok: false, error: error.message };
        log.warn({ err: error, tool: spec.name }, 'a tool could not reach the platform');
        return { ok: false, error: 'the platform could not be reached' };
      }
    },
  };
}

function createOrientationTools({ client }: ToolDeps): ToolSpec[] {
  return [
    {
      name: 'list_peers',
      description: 'Lists who you can work with: your reports, your lead and your siblings, with their state.',
      whenToUse: 'Use it before delegating, and when a peer does not answer.',
      inputSchema: noInput,
      async run(_input, { signal }) {
        const [peers, self] = await Promise.all([readPeers(client, { signal }), readSelf(client, { signal })]);
        return peers.map((peer) => ({
          id: peer.id,
          name: peer.name,
          role: peer.role,
          status: peer.status,
          relation: relationTo(peer, client.workspaceId, self.parent_id ?? null),
          skills: (peer.agent_card?.skills ?? []).map((skill) => skill.name ?? skill.id ?? ''),
        }));
      },
    },
    {
      name: 'get_workspace_info',
      description: 'Tells who you are: id, name, role, tier, lead, state.',
      whenToUse: 'Use it when you need your own id or place in the organisation.',
      inputSchema: noInput,
      async run(_input, { signal }) {
        const self = await readSelf(client, { signal });
        return {
          id: self.id,
          name: self.name,
          role: self.role ?? null,
          tier: self.tier ?? null,
          parent: self.parent_id ?? null,
          status: self.status ?? null,
          delivery_mode: self.delivery_mode ?? null,
        };
      },
    },
  ];
}

export interface AgentToolsInput extends Pick<ToolDeps, 'delegationOf'> {
  client: PlatformClient;
  environment: Pick<RuntimeEnvironment, 'workspaceRoot' | 'delegation'>;
  config: Pick<LoadedConfig, 'delegation'>;
  seen: SeenDelegations;
  timers: Timers;
  log: Logger;
}

export function createAgentTools(input: AgentToolsInput): AgentTools {
  const { client, environment, config, seen, timers, log, delegationOf } = input;
  const fromEnv = environment.delegation;
  const deps: ToolDeps = {
    client,
    workspaceRoot: environment.workspaceRoot,
    delegation: {
      retryAttempts: fromEnv.retryAttempts ?? config.delegation.retryAttempts,
      retryDelaySeconds: fromEnv.retryDelaySeconds ?? config.delegation.retryDelaySeconds,
      timeoutSeconds: fromEnv.timeoutSeconds ?? config.delegation.timeoutSeconds,
    },
    delegationOf,
    timers,
    log,
  };
  const watch = createDelegationWatch({ client, seen, timers, log });
  const specs = [...createOrientationTools(deps), ...createDelegationTools(deps, watch), createMessageTool(deps)];
  return { specs: specs.map((spec) => reporting(spec, log)), isAwaited: watch.isAwaited };
}
