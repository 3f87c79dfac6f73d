// Chat files in push mode: streams a file from the agent that holds it (chapter 20 §7.2). Nothing is stored or buffered here.

import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { request } from 'undici';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, HANDLED, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Outbound } from '../platform/outbound/index.ts';
import type { Workspaces } from '../workspaces/index.ts';

const ROOTS = ['/configs', '/workspace', '/home', '/plugins'];
const FORWARDED = ['content-type', 'content-length', 'content-disposition'] as const;
const ANSWER_MS = 60_000;

/** Absolute, canonical, below one of the four roots of an agent. */
export function assertAgentPath(path: string): void {
  const canonical = path.startsWith('/') && posix.normalize(path) === path && !path.split('/').includes('..');
  if (!canonical || !ROOTS.some((root) => path.startsWith(`${root}/`)))
    throw invalid('path', `must be a file below ${ROOTS.join(', ')}`);
}

export interface FilesDeps {
  workspaces: Workspaces;
  outbound: Outbound;
  log: Logger;
}

export function createFiles({ workspaces, outbound, log }: FilesDeps) {
  return {
    mount: (app: FastifyInstance, authorize: Authorize) =>
      mount(
        app,
        fileRoutes,
        {
          downloadChatFile: async ({ params, query, reply }) => {
            assertAgentPath(query.path);
            const facts = await workspaces.facts(params.id);
            if (!facts || facts.status === 'removed') throw notFound('workspace');
            if (!facts.url)
              throw new PlatformError('agent_no_url', 'the workspace has not registered yet', { status: facts.status });
            const judged = await outbound.judge(facts.url, 'dispatch', { trusted: facts.urlSource === 'provisioner' });
            if (!judged.ok) throw new PlatformError('agent_url_refused', 'workspace URL is not publicly routable');
            const target = new URL('/internal/file/read', judged.url);
            target.searchParams.set('path', query.path);
            try {
              const upstream = await request(target, {
                dispatcher: outbound.dispatcherFor(judged),
                headers: { authorization: `Bearer ${facts.inboundSecret ?? ''}` },
                headersTimeout: ANSWER_MS,
              });
              for (const name of FORWARDED) if (upstream.headers[name]) reply.header(name, upstream.headers[name]);
              reply.hijack();
              reply.raw.writeHead(upstream.statusCode, reply.getHeaders() as Record<string, string>);
              await pipeline(upstream.body, reply.raw);
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
