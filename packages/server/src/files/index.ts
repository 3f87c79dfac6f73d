// Chat files in push mode: streams a file from the agent that holds it (chapter 20 §7.2). Nothing is stored or buffered here.

import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileRoutes } from '@molecule/contract';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { request } from 'undici';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, HANDLED, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Judged, Outbound } from '../platform/outbound/index.ts';
import type { WorkspaceFacts, Workspaces } from '../workspaces/index.ts';

const ROOTS = ['/configs', '/workspace', '/home', '/plugins'];
const FORWARDED = ['content-type', 'content-length', 'content-disposition'] as const;
/** Until the agent answers, and between two pieces of its file. */
const SILENCE_MS = 60_000;
const SECRET_RETRY_SECONDS = 30;

/** Absolute, canonical, below one of the four roots of an agent. @throws invalid_request */
export function assertAgentPath(path: string): void {
  const canonical = path.startsWith('/') && posix.normalize(path) === path && !path.split('/').includes('..');
  const root = ROOTS.find((name) => path.startsWith(`${name}/`));
  if (!canonical || root === undefined || path === `${root}/`)
    throw invalid('path', `must be a file below ${ROOTS.join(', ')}`);
}

/** The platform → workspace bearer, minted where it is missing (chapter 20 §7.2). */
export type ReadInboundSecret = (id: string) => Promise<{ secret: string; healed: boolean; error: unknown }>;

export interface FilesDeps {
  workspaces: Workspaces;
  outbound: Outbound;
  readInboundSecret: ReadInboundSecret;
  log: Logger;
}

export function createFiles({ workspaces, outbound, readInboundSecret, log }: FilesDeps) {
  async function findTarget(id: string): Promise<WorkspaceFacts> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
    return facts;
  }

  /** @throws agent_no_url while it will come, agent_pull_only when it never will. */
  function urlOf(target: WorkspaceFacts): string {
    if (target.deliveryMode !== 'poll' && target.url) return target.url;
    if (target.deliveryMode === 'push')
      throw new PlatformError('agent_no_url', 'the workspace has not registered yet', {
        status: target.status,
      });
    throw new PlatformError(
      'agent_not_reachable',
      'files of this workspace cannot be fetched: its agent has to register in push mode with an address the platform can call',
    );
  }

  async function secretOf(id: string): Promise<string> {
    const { secret, healed, error } = await readInboundSecret(id);
    if (error)
      throw new PlatformError(
        'inbound_secret_missing',
        'the credential for this agent cannot be made. Reprovision it.',
      );
    if (healed)
      throw new PlatformError(
        'inbound_secret_missing',
        'the agent gets its new credential with the next heartbeat; retry then',
        { retry_after_seconds: SECRET_RETRY_SECONDS },
        { headers: { 'retry-after': String(SECRET_RETRY_SECONDS) } },
      );
    return secret;
  }

  async function judge(target: WorkspaceFacts, url: string): Promise<Judged> {
    const judged = await outbound.judge(url, 'dispatch', { trusted: target.urlSource === 'provisioner' });
    if (!judged.ok) throw new PlatformError('agent_url_refused', 'workspace URL is not publicly routable');
    return judged;
  }

  /** Whatever the agent answers is passed on as it is, byte by byte. */
  async function stream(judged: Judged, secret: string, path: string, reply: FastifyReply): Promise<void> {
    const address = new URL('/internal/file/read', judged.url);
    address.searchParams.set('path', path);
    const upstream = await request(address, {
      dispatcher: outbound.dispatcherFor(judged),
      headers: { authorization: `Bearer ${secret}` },
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
    });
    for (const name of FORWARDED) {
      const value = upstream.headers[name];
      if (value !== undefined) reply.header(name, value);
    }
    // It is the agent's word: the browser must not guess a type, nor run it in the canvas' name.
    reply.header('x-content-type-options', 'nosniff').header('content-security-policy', "sandbox; default-src 'none'");
    reply.hijack();
    reply.raw.writeHead(upstream.statusCode, reply.getHeaders() as Record<string, string>);
    await pipeline(upstream.body, reply.raw);
  }

  return {
    mount: (app: FastifyInstance, authorize: Authorize) =>
      mount(
        app,
        fileRoutes,
        {
          downloadChatFile: async ({ params, query, reply }) => {
            assertAgentPath(query.path);
            const target = await findTarget(params.id);
            const url = urlOf(target);
            const secret = await secretOf(params.id);
            const judged = await judge(target, url);
            try {
              await stream(judged, secret, query.path, reply);
            } catch (error) {
              log.warn({ err: error, workspace_id: params.id }, 'a file could not be streamed from its agent');
              if (reply.raw.headersSent) reply.raw.destroy();
              else throw new PlatformError('agent_unreachable', 'the agent could not be reached', {}, { cause: error });
            }
            return HANDLED;
          },
        },
        authorize,
      ),
  };
}
