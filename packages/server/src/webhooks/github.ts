// The GitHub webhook (chapter 20 §10): whether a delivery is genuine, and its one effect, stored before it is acknowledged.

import { createHmac } from 'node:crypto';
import { uuid } from '@molecule/contract';
import type { Transaction } from 'kysely';
import { equalSecrets } from '../auth/index.ts';
import type { Messaging, QueueRow } from '../messaging/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { type GithubAction, readGithubEvent, repositoryOf, senderOf } from './github-events.ts';
import * as store from './store.ts';

const ORIGIN = 'webhook:github';
const ANSWER_SECONDS = 300;
const MOST_DELIVERY_ID = 200;

type Json = Record<string, unknown>;
type Told = Extract<GithubAction, { kind: 'tell' }>;

export interface GithubDeps {
  db: Database;
  messaging: Messaging;
  workspaces: Workspaces;
  /** Null: no webhook is taken. */
  secret: string | null;
  /** In the caller's transaction: enabled schedules with one of these words in their names are due; of one workspace, or of all. */
  makeDue(trx: Transaction<Tables>, words: readonly string[], workspaceId: string | null): Promise<number>;
}

export interface GithubRequest {
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
  /** Of the path. */
  workspaceId: string | null;
}

export type GithubReply =
  | { status: 'accepted'; event: string; action: string; workspace_id: string; message_id: string }
  | { status: 'triggered'; event: string; action: string; schedules_affected: number }
  | { status: 'ignored'; reason: string };

const headerOf = ({ headers }: GithubRequest, name: string): string => {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
};

function isSigned(request: GithubRequest, secret: string): boolean {
  const mac = createHmac('sha256', secret).update(request.body).digest('hex');
  return equalSecrets(headerOf(request, 'x-hub-signature-256'), `sha256=${mac}`);
}

/** A hook of either content type. @throws invalid_json */
function parsePayload(request: GithubRequest): Json {
  const isForm = headerOf(request, 'content-type').startsWith('application/x-www-form-urlencoded');
  const text = request.body.toString();
  let value: unknown;
  try {
    value = JSON.parse(isForm ? (new URLSearchParams(text).get('payload') ?? '') : text);
  } catch (error) {
    throw new PlatformError('invalid_json', 'invalid JSON', {}, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PlatformError('invalid_json', 'invalid JSON');
  return value as Json;
}

/** @throws invalid_request */
function requireHeader(request: GithubRequest, name: string): string {
  const value = headerOf(request, name.toLowerCase());
  if (value === '') throw invalid(name, 'is required');
  if (value.length > MOST_DELIVERY_ID) throw invalid(name, `must have at most ${MOST_DELIVERY_ID} characters`);
  return value;
}

/** The path's, else what a sender of its own wrote into the body. @throws invalid_request for what is no id. */
function targetOf(request: GithubRequest, payload: Json): string | null {
  if (request.workspaceId !== null) return request.workspaceId;
  if (payload.workspace_id === undefined) return null;
  const parsed = uuid.safeParse(payload.workspace_id);
  if (!parsed.success) throw invalid('workspace_id', 'must be a valid UUID');
  return parsed.data;
}

function messageFor(event: string, told: Told, deliveryId: string, payload: Json) {
  const messageId = `${ORIGIN.replace(':', '-')}-${deliveryId}`;
  const metadata = {
    source: ORIGIN,
    event,
    action: told.action,
    delivery_id: deliveryId,
    repository: repositoryOf(payload),
    sender: senderOf(payload),
    number: told.number,
    url: told.url,
  };
  const message = { role: 'user', messageId, parts: [{ kind: 'text', text: told.text }], metadata };
  return { messageId, body: { jsonrpc: '2.0', id: messageId, method: 'message/send', params: { message } } };
}

export function createGithubWebhook({ db, messaging, workspaces, secret, makeDue }: GithubDeps) {
  /** @throws not_found */
  async function assertLive(id: string): Promise<void> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
  }

  async function tell(workspaceId: string, deliveryId: string, message: ReturnType<typeof messageFor>): Promise<void> {
    await assertLive(workspaceId);
    const item = await db.tx(async (trx): Promise<QueueRow | null> => {
      const isNew = await store.takeDelivery(trx, { source: 'github', target: workspaceId, deliveryId });
      if (!isNew) return null;
      return await messaging.acceptIn(trx, {
        workspaceId,
        origin: ORIGIN,
        method: 'message/send',
        timeoutSeconds: ANSWER_SECONDS,
        scheduleId: null,
        ...message,
      });
    });
    if (item) messaging.begin(item);
  }

  async function trigger(workspaceId: string | null, deliveryId: string, words: readonly string[]): Promise<number> {
    if (workspaceId !== null) await assertLive(workspaceId);
    return await db.tx(async (trx) => {
      const delivery = { source: 'github', target: workspaceId ?? '', deliveryId };
      return (await store.takeDelivery(trx, delivery)) ? await makeDue(trx, words, workspaceId) : 0;
    });
  }

  return {
    /** What is wrong with a request is told only to whoever signed it. @throws webhook_not_configured, invalid_signature, invalid_json, invalid_request, not_found */
    async receive(request: GithubRequest): Promise<GithubReply> {
      if (secret === null)
        throw new PlatformError('webhook_not_configured', 'GITHUB_WEBHOOK_SECRET is not set, so no webhook is taken');
      if (!isSigned(request, secret))
        throw new PlatformError('invalid_signature', 'the signature of the webhook is not valid');
      const payload = parsePayload(request);
      const event = requireHeader(request, 'X-GitHub-Event');
      const found = readGithubEvent(event, payload);
      if (found.kind === 'ignore') return { status: 'ignored', reason: found.reason };
      const deliveryId = requireHeader(request, 'X-GitHub-Delivery');
      const workspaceId = targetOf(request, payload);
      const { action } = found;
      if (found.kind === 'trigger') {
        const affected = await trigger(workspaceId, deliveryId, found.words);
        return { status: 'triggered', event, action, schedules_affected: affected };
      }
      if (workspaceId === null) throw invalid('workspace_id', 'is required');
      const message = messageFor(event, found, deliveryId, payload);
      await tell(workspaceId, deliveryId, message);
      return { status: 'accepted', event, action, workspace_id: workspaceId, message_id: message.messageId };
    },
  };
}

export type GithubWebhook = ReturnType<typeof createGithubWebhook>;
