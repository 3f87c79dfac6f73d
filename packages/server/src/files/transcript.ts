// What an agent tells of its session (chapter 20 §10): fetched from the agent for whoever may see it, checked and passed on. The
// platform keeps none of it.

import { type Transcript, transcript } from '@molecule/contract';
import { notFound, PlatformError } from '../platform/errors.ts';
import { request } from '../platform/http-client.ts';
import type { Logger } from '../platform/log.ts';
import type { Judged, Outbound } from '../platform/outbound/index.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { type AgentDoor, addressOf } from './agent-door.ts';

const LIMIT_MS = 10_000;
const MOST_BYTES = 1024 * 1024;
/** What an agent that has no such door answers. */
const NO_DOOR = [404, 405, 501];

export interface TranscriptDeps {
  workspaces: Workspaces;
  secretOf: AgentDoor['secretOf'];
  outbound: Outbound;
  log: Logger;
}

interface AgentAnswer {
  status: number;
  text: string;
}

type Place = Pick<NonNullable<Awaited<ReturnType<Workspaces['get']>>>, 'url' | 'url_source' | 'agent_card'>;

function cardUrlOf({ agent_card: card }: Place): string | null {
  const url = (card as { url?: unknown } | null)?.url;
  return typeof url === 'string' && url !== '' ? url : null;
}

export function createTranscripts({ workspaces, secretOf, outbound, log }: TranscriptDeps) {
  /** Where the backend put the agent counts before what the agent says of itself, which may be true only where it runs. */
  async function judge(row: Place): Promise<Judged> {
    const trusted = row.url_source === 'provisioner' && row.url !== null;
    const address = trusted ? row.url : (cardUrlOf(row) ?? row.url);
    if (!address) throw new PlatformError('agent_no_url', 'the workspace has no address');
    const judged = await outbound.judge(address, 'dispatch', { trusted });
    if (!judged.ok) throw new PlatformError('unsafe_url', 'workspace URL not allowed');
    return judged;
  }

  /** @throws agent_response_too_large */
  async function ask(judged: Judged, query: Record<string, string>, authorization: string): Promise<AgentAnswer> {
    const response = await request(addressOf(judged.url, '/transcript', query), {
      dispatcher: outbound.dispatcherFor(judged),
      headers: { authorization },
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      size += (chunk as Buffer).length;
      if (size > MOST_BYTES)
        throw new PlatformError(
          'agent_response_too_large',
          'the session log is larger than 1 MiB; ask for fewer lines',
        );
      chunks.push(chunk as Buffer);
    }
    return { status: response.statusCode, text: Buffer.concat(chunks).toString() };
  }

  function read(text: string): Transcript {
    try {
      return transcript.parse(JSON.parse(text));
    } catch (error) {
      throw new PlatformError(
        'agent_response_unreadable',
        'the agent answered with something else than its session log',
        {},
        { cause: error },
      );
    }
  }

  return {
    /**
     * @param own the credential of an agent that asks for its own; null for a person, for whom the inbound secret speaks.
     * @throws not_found, agent_no_url, unsafe_url, inbound_secret_missing, agent_unreachable, agent_error
     */
    async fetch(
      id: string,
      { since, limit }: { since?: string | undefined; limit?: string | undefined },
      own: string | null,
    ): Promise<Transcript> {
      const row = await workspaces.get(id);
      if (!row || row.status === 'removed') throw notFound('workspace');
      const judged = await judge(row);
      const authorization = own ?? `Bearer ${await secretOf(id)}`;
      let answer: AgentAnswer;
      try {
        answer = await ask(judged, { ...(since ? { since } : {}), ...(limit ? { limit } : {}) }, authorization);
      } catch (error) {
        if (error instanceof PlatformError) throw error;
        log.warn({ err: error, workspace_id: id }, 'the session log of an agent could not be read');
        throw new PlatformError('agent_unreachable', 'the agent could not be reached', {}, { cause: error });
      }
      if (NO_DOOR.includes(answer.status))
        return { runtime: row.runtime, supported: false, lines: [], cursor: 0, more: false };
      // Its 401 is not the caller's: only the agent's own words say what it is about.
      if (answer.status !== 200)
        throw new PlatformError('agent_error', `the agent answered ${answer.status}`, { agent_status: answer.status });
      return read(answer.text);
    },
  };
}
