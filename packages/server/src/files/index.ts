// Chat files in push mode: streams them to and from the agent that holds them (chapter 20 §7.2). Nothing is stored or buffered
// here. The folders of a seat (chapter 30 §3.4) are mounted here too; folders.ts owns them.

import { posix } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileRoutes, UPLOAD_LIMIT } from '@molecule/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { request } from 'undici';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, HANDLED, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Judged, Outbound } from '../platform/outbound/index.ts';
import type { WorkspaceFacts, Workspaces } from '../workspaces/index.ts';
import { createFolders, type FoldersDeps } from './folders.ts';

export { judgePath } from './paths.ts';

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
  folders: Pick<FoldersDeps, 'store' | 'findTemplate' | 'readModel'>;
  workspaces: Workspaces;
  outbound: Outbound;
  readInboundSecret: ReadInboundSecret;
  log: Logger;
}

export function createFiles({ folders: ports, workspaces, outbound, readInboundSecret, log }: FilesDeps) {
  const folders = createFolders({ ...ports, workspaces, log });

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

  interface AgentCall {
    method: 'GET' | 'POST';
    path: string;
    query?: Record<string, string>;
    headers?: Record<string, string>;
    body?: Readable;
  }

  /** Whatever the agent answers is passed on as it is, byte by byte. */
  async function stream(judged: Judged, secret: string, call: AgentCall, reply: FastifyReply): Promise<void> {
    const address = new URL(call.path, judged.url);
    for (const [name, value] of Object.entries(call.query ?? {})) address.searchParams.set(name, value);
    const upstream = await request(address, {
      method: call.method,
      dispatcher: outbound.dispatcherFor(judged),
      headers: { ...call.headers, authorization: `Bearer ${secret}` },
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
      ...(call.body ? { body: call.body } : {}),
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

  /** One credential, one guard and one way of streaming for both directions. */
  async function exchange(id: string, call: AgentCall, reply: FastifyReply): Promise<typeof HANDLED> {
    const target = await findTarget(id);
    const url = urlOf(target);
    const secret = await secretOf(id);
    const judged = await judge(target, url);
    try {
      await stream(judged, secret, call, reply);
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      log.warn({ err: error, workspace_id: id }, 'a file could not be streamed to or from its agent');
      if (reply.raw.headersSent) reply.raw.destroy();
      else throw new PlatformError('agent_unreachable', 'the agent could not be reached', {}, { cause: error });
    }
    return HANDLED;
  }

  const tooLarge = () =>
    new PlatformError('body_too_large', `the body is larger than ${UPLOAD_LIMIT} bytes`, { max_bytes: UPLOAD_LIMIT });

  /** The form as it comes, refused at once by its declared length and else where it grows too long. */
  function uploadOf(incoming: FastifyRequest): AgentCall {
    const { 'content-type': contentType = '', 'content-length': length } = incoming.headers;
    if (!/^multipart\/form-data\b/i.test(contentType))
      throw new PlatformError('unsupported_media_type', 'the content type must be multipart/form-data');
    if (Number(length ?? 0) > UPLOAD_LIMIT) throw tooLarge();
    let size = 0;
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size += chunk.length;
        done(size > UPLOAD_LIMIT ? tooLarge() : null, chunk);
      },
    });
    // A sender that leaves ends the form. Whoever reads it then is told; when nobody does any more, nothing is lost.
    incoming.raw.once('error', (error) => counted.destroy(error));
    counted.on('error', () => {});
    return {
      method: 'POST',
      path: '/internal/chat/uploads/ingest',
      headers: { 'content-type': contentType, ...(length === undefined ? {} : { 'content-length': length }) },
      body: incoming.raw.pipe(counted),
    };
  }

  return {
    mount(app: FastifyInstance, authorize: Authorize): void {
      const { uploadChatFiles, downloadChatFile, ...folderRoutes } = fileRoutes;
      mount(
        app,
        folderRoutes,
        {
          listFiles: ({ params, query }) => folders.list(params.id, query.root, query.path, query.depth),
          readFile: ({ params, query }) => folders.read(params.id, query.root, params.path),
          replaceFiles: ({ params, body }) => folders.replace(params.id, body.files),
          writeFile: ({ params, body }) => folders.write(params.id, params.path, body.content),
          deleteFile: ({ params }) => folders.remove(params.id, params.path),
        },
        authorize,
      );
      // In a scope of its own: everywhere else a form is refused.
      app.register(async (scope) => {
        scope.addContentTypeParser('multipart/form-data', (_request, payload, done) => done(null, payload));
        mount(
          scope,
          { uploadChatFiles, downloadChatFile },
          {
            uploadChatFiles: async ({ params, request: incoming, reply }) =>
              await exchange(params.id, uploadOf(incoming), reply),
            downloadChatFile: async ({ params, query, reply }) => {
              assertAgentPath(query.path);
              const call: AgentCall = { method: 'GET', path: '/internal/file/read', query: { path: query.path } };
              return await exchange(params.id, call, reply);
            },
          },
          authorize,
        );
      });
    },
  };
}
