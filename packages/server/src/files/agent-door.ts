// Chat files in push mode: streams them to and from the agent that holds them (chapter 20 §7.2). Nothing is stored or buffered
// here. One way to find the agent, one credential and one guard, for uploads and downloads and for the session log.

import { posix } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UPLOAD_LIMIT } from '@molecule/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { startDeadline } from '../platform/deadline.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { HANDLED } from '../platform/http.ts';
import { request } from '../platform/http-client.ts';
import type { Logger } from '../platform/log.ts';
import { noteStreamed } from '../platform/memory.ts';
import type { Judged, Outbound } from '../platform/outbound/index.ts';
import type { WorkspaceFacts, Workspaces } from '../workspaces/index.ts';
import { malformed, requestTooLarge, SENDER_SILENCE_MS } from './form.ts';

const ROOTS = ['/configs', '/workspace', '/home', '/plugins'];
const FORWARDED = ['content-type', 'content-length', 'content-disposition'] as const;
/** Until the agent answers, and between two pieces of its file. */
const SILENCE_MS = 60_000;
const SECRET_RETRY_SECONDS = 30;
/** It is somebody else's word: the browser must not guess a type, nor run it in the canvas' name. */
export const UNTRUSTED_CONTENT = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "sandbox; default-src 'none'",
};

/** Absolute, canonical, below one of the four roots of an agent. @throws invalid_request */
export function assertAgentPath(path: string): void {
  const canonical = path.startsWith('/') && posix.normalize(path) === path && !path.split('/').includes('..');
  const root = ROOTS.find((name) => path.startsWith(`${name}/`));
  if (!canonical || root === undefined || path === `${root}/`)
    throw invalid('path', `must be a file below ${ROOTS.join(', ')}`);
}

/** The platform → workspace bearer, minted where it is missing (chapter 20 §7.2). */
export type ReadInboundSecret = (id: string) => Promise<{ secret: string; healed: boolean; error: unknown }>;

export interface AgentDoorDeps {
  workspaces: Workspaces;
  outbound: Outbound;
  readInboundSecret: ReadInboundSecret;
  log: Logger;
}

export interface AgentCall {
  method: 'GET' | 'POST';
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Readable;
}

/** Below the agent's own address, whose `/a2a` is one door of it among others. */
export function addressOf(base: URL, path: string, query: Record<string, string> = {}): URL {
  const address = new URL(base);
  address.pathname = base.pathname.replace(/(\/a2a)?\/*$/, '') + path;
  address.search = new URLSearchParams(query).toString();
  return address;
}

/** The form as it comes, cut off where it grows too long or its sender falls silent. */
function passOn({ raw }: FastifyRequest): Pick<AgentCall, 'headers' | 'body'> {
  const { 'content-type': contentType = '', 'content-length': length } = raw.headers;
  let size = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      deadline.touch();
      size += chunk.length;
      noteStreamed(chunk.length);
      done(size > UPLOAD_LIMIT ? requestTooLarge() : null, chunk);
    },
  });
  const deadline = startDeadline({
    silenceMs: SENDER_SILENCE_MS,
    ceilingMs: null,
    onExpire: () => counted.destroy(malformed('its sender fell silent')),
  });
  counted.once('close', deadline.cancel);
  // A sender that leaves ends the form. Whoever reads it then is told; when nobody does any more, nothing is lost.
  raw.once('error', (error) => counted.destroy(error));
  counted.on('error', () => {});
  return {
    headers: { 'content-type': contentType, ...(length === undefined ? {} : { 'content-length': length }) },
    body: raw.pipe(counted),
  };
}

export function createAgentDoor({ workspaces, outbound, readInboundSecret, log }: AgentDoorDeps) {
  async function findTarget(id: string): Promise<WorkspaceFacts> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
    return facts;
  }

  /** @throws agent_no_url while it will come, agent_not_reachable when it never will. */
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
  async function stream(judged: Judged, secret: string, call: AgentCall, reply: FastifyReply): Promise<void> {
    const upstream = await request(addressOf(judged.url, call.path, call.query), {
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
    reply.headers(UNTRUSTED_CONTENT);
    reply.hijack();
    reply.raw.writeHead(upstream.statusCode, reply.getHeaders() as Record<string, string>);
    await pipeline(upstream.body, reply.raw);
  }

  /** One credential, one guard and one way of streaming for both directions. */
  async function exchange(
    target: WorkspaceFacts,
    call: AgentCall | (() => AgentCall),
    reply: FastifyReply,
  ): Promise<typeof HANDLED> {
    const url = urlOf(target);
    const secret = await secretOf(target.id);
    const judged = await judge(target, url);
    try {
      await stream(judged, secret, typeof call === 'function' ? call() : call, reply);
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      log.warn({ err: error, workspace_id: target.id }, 'a file could not be streamed to or from its agent');
      if (reply.raw.headersSent) reply.raw.destroy();
      else throw new PlatformError('agent_unreachable', 'the agent could not be reached', {}, { cause: error });
    }
    return HANDLED;
  }

  return {
    /** @throws not_found */
    findTarget,
    secretOf,
    /** Streams a form to its agent and the agent's answer back. */
    upload: (target: WorkspaceFacts, incoming: FastifyRequest, reply: FastifyReply) =>
      exchange(target, () => ({ method: 'POST', path: '/internal/chat/uploads/ingest', ...passOn(incoming) }), reply),
    download(target: WorkspaceFacts, path: string, reply: FastifyReply) {
      return exchange(target, { method: 'GET', path: '/internal/file/read', query: { path } }, reply);
    },
  };
}

export type AgentDoor = ReturnType<typeof createAgentDoor>;
