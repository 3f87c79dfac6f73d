// The agent tools (chapter 40 §13) that exist: one list, from which adapters and the prompt's tool guide are made.

import type { RuntimeEnvironment } from '../environment.ts';
import type { PlatformClient } from '../link/platform-client.ts';
import type { Logger } from '../logger.ts';
import { createDelegationTools } from './delegate.ts';
import { createDelegationWatch } from './delegation-watch.ts';
import { createMessageTool } from './message.ts';
import { PlatformRefusal, readPeers, readSelf, relationTo } from './platform-answers.ts';
import type { ToolSpec } from './tool.ts';

export interface ToolDeps {
  client: PlatformClient;
  workspaceRoot: string;
  env: Readonly<Record<string, string | undefined>>;
  log: Logger;
}

export interface AgentTools {
  specs: ToolSpec[];
  /** A tool call waits for this delegation, or has already handed its result to the agent. */
  isAwaited(delegationId: string): boolean;
}

const noInput = { type: 'object', properties: {} };

/** Refusals of the platform are results the model can read; an abort stays an abort. */
function reporting(run: ToolSpec['run']): ToolSpec['run'] {
  return async (input, context) => {
    try {
      return await run(input, context);
    } catch (error) {
      if (context.signal.aborted) throw error;
      return {
        ok: false,
        error: error instanceof PlatformRefusal ? error.message : 'the platform could not be reached',
      };
    }
  };
}

function createOrientationTools({ client }: ToolDeps): ToolSpec[] {
  return [
    {
      name: 'list_peers',
      description: 'Lists who you can work with: your reports, your lead and your siblings, with their state.',
      whenToUse: 'Use it before delegating, and when a peer does not answer.',
      inputSchema: noInput,
      run: reporting(async (_input, { signal }) => {
        const [peers, self] = await Promise.all([readPeers(client, signal), readSelf(client, signal)]);
        return peers.map((peer) => ({
          id: peer.id,
          name: peer.name,
          role: peer.role,
          status: peer.status,
          relation: relationTo(peer, client.workspaceId, self.parent_id ?? null),
          skills: (peer.agent_card?.skills ?? []).map((skill) => skill.name ?? skill.id ?? ''),
        }));
      }),
    },
    {
      name: 'get_workspace_info',
      description: 'Tells who you are: id, name, role, tier, lead, state.',
      whenToUse: 'Use it when you need your own id or place in the organisation.',
      inputSchema: noInput,
      run: reporting(async (_input, { signal }) => {
        const self = await readSelf(client, signal);
        return {
          id: self.id,
          name: self.name,
          role: self.role ?? null,
          tier: self.tier ?? null,
          parent: self.parent_id ?? null,
          status: self.status ?? null,
          delivery_mode: self.delivery_mode ?? null,
        };
      }),
    },
  ];
}

export function createAgentTools(input: {
  client: PlatformClient;
  workspaceId: string;
  environment: Pick<RuntimeEnvironment, 'workspaceRoot' | 'all'>;
  log: Logger;
}): AgentTools {
  const deps: ToolDeps = {
    client: input.client,
    workspaceRoot: input.environment.workspaceRoot,
    env: input.environment.all,
    log: input.log,
  };
  const watch = createDelegationWatch(deps);
  return {
    specs: [...createOrientationTools(deps), ...createDelegationTools(deps, watch), createMessageTool(deps)],
    isAwaited: watch.isAwaited,
  };
}
