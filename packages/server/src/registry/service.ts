// Registration, heartbeats, cards, discovery (chapter 10 §2.4, §3–4). Status edges go through the workspaces' lifecycle.

import type { HeartbeatBody, registerBody } from '@molecule/contract';
import type { RawBuilder, Transaction } from 'kysely';
import type { z } from 'zod';
import { type Auth, lookUp } from '../auth/index.ts';
import type { Events } from '../events/index.ts';
import { createBatcher, type Database, isUniqueViolation, type Tables } from '../platform/db/index.ts';
import { notFound, PlatformError, unauthenticated } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { isAdmin, type Principal } from '../platform/principal.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { isAtRest, judgeBeat, toSnapshot } from './beat.ts';
import type { InboundSecrets } from './inbound-secret.ts';
import type { BeatSnapshot as Beat, BeatResult } from './store.ts';
import * as store from './store.ts';

const SUSPENDED = new Set(['paused', 'hibernating', 'hibernated']);
const MOST_BEATS_PER_STATEMENT = 500;
/** A beat at rest waits so long for those of other seats: 200 idle seats are then one statement a second instead of seven. */
const LINGER_MS = 800;
const MOST_AT_REST = 50_000;

/** Of a beat: when it came, by `performance.now()`, and what its agent works on. */
export interface ReceivedBeat {
  receivedAt: number;
  activeTasks: number;
  messageIds: readonly string[];
}

export interface RegistryPorts {
  /** SQL about the workspace `w`: a message waits for it. */
  hasWaiting: RawBuilder<boolean>;
  /** The target has room: deliver what waits. Detached. */
  drain(workspaceId: string): void;
  /** A beat is stored; `hasWaiting`: a message waits for this target. */
  noteBeat(workspaceId: string, beat: ReceivedBeat, hasWaiting: boolean): void;
  noteActiveMessages(workspaceId: string, messageIds: string[]): Promise<void>;
  noteActiveDelegations(workspaceId: string, delegationIds: string[]): Promise<void>;
  canCommunicate(a: string, b: string): Promise<boolean>;
  /** @returns null when the address may be registered or called, else why not. */
  judgeUrl(url: string, purpose: 'register' | 'discover', trusted: boolean): Promise<string | null>;
}

export interface RegistryDeps {
  db: Database;
  events: Events;
  auth: Auth;
  workspaces: Workspaces;
  secrets: InboundSecrets;
  ports: RegistryPorts;
  log: Logger;
}

export interface Registered {
  status: 'registered';
  delivery_mode: 'push' | 'poll';
  auth_token?: string;
  platform_inbound_secret?: string;
}

export function createRegistryService({ db, events, auth, workspaces, secrets, ports, log }: RegistryDeps) {
  const beats = createBatcher<Beat, BeatResult | null>({
    name: 'heartbeats',
    maxRows: MOST_BEATS_PER_STATEMENT,
    lingerMs: LINGER_MS,
    async flush(snapshots) {
      // Two beats of one workspace in a flush: the newest speaks for both.
      const newest = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]));
      const stored = await store.storeBeats(db.kysely, [...newest.values()], ports.hasWaiting);
      const rows = new Map(stored.map((row) => [row.id, row]));
      auth.tokens.confirm(stored.map(({ id }) => newest.get(id)?.tokenId ?? ''));
      return snapshots.map((snapshot) => rows.get(snapshot.id) ?? null);
    },
  });

  /** Seats whose last beat here told of nothing: only then may the next of that kind wait. */
  const atRest = new Set<string>();

  function noteRest(id: string, rests: boolean): void {
    if (atRest.size >= MOST_AT_REST) atRest.clear();
    if (rests) atRest.add(id);
    else atRest.delete(id);
  }

  /** The gate of chapter 10 §3.2 without bootstrap: a token of this very workspace, or an administrator where a row allows one. */
  async function assertOwnToken(id: string, bearer: string | null): Promise<void> {
    const token = bearer === null ? null : await auth.tokens.verify(bearer);
    if (token?.workspaceId !== id) throw unauthenticated();
  }

  /** @returns the row, null where an administrator announces a new one, and whether the call gets its first token. */
  async function passGate(
    id: string,
    bearer: string | null,
    principal: Principal,
  ): Promise<{ known: store.GateRow | null; bootstrap: boolean }> {
    const known = await lookUp(store.findGate(db.kysely, id));
    if (known?.has_live_token) await assertOwnToken(id, bearer);
    const entitled = known ? known.has_live_token || known.is_enrolling : isAdmin(principal);
    if (!entitled || known?.status === 'removed') throw unauthenticated();
    return { known, bootstrap: !known?.has_live_token };
  }

  /** A row for an id that only an administrator may announce (chapter 10 §3.2); its name is its id. */
  async function insertUnknown(trx: Transaction<Tables>, id: string): Promise<void> {
    try {
      await workspaces.createIn(trx, { id, name: id, runtime: 'external' });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new PlatformError('conflict', 'this workspace is being announced by another call');
    }
  }

  /** What its backend returned for this workspace, and the name of its own container (chapter 10 §6). */
  function isPlatformOwned(known: store.GateRow, id: string, url: string): boolean {
    return known.url_source === 'provisioner' && (url === known.url || url === `http://ws-${id.slice(0, 12)}:8000`);
  }

  type RegisterBody = z.output<typeof registerBody>;

  /** Payload, else stored, else poll for external seats, else push (chapter 10 §3.3). */
  function resolveMode(body: RegisterBody, gate: store.GateRow | null): 'push' | 'poll' {
    if (body.delivery_mode) return body.delivery_mode;
    if (gate?.delivery_mode === 'push' || gate?.delivery_mode === 'poll') return gate.delivery_mode;
    return gate?.runtime === 'external' ? 'poll' : 'push';
  }

  async function register(body: RegisterBody, bearer: string | null, principal: Principal): Promise<Registered> {
    const { known, bootstrap } = await passGate(body.id, bearer, principal);
    const mode = resolveMode(body, known);
    const url = body.url || null;
    if (mode === 'push') {
      if (!url) throw new PlatformError('invalid_request', 'url: is required in push mode', { field: 'url' });
      const refusal = await ports.judgeUrl(url, 'register', known !== null && isPlatformOwned(known, body.id, url));
      if (refusal) throw new PlatformError('unsafe_url', `url: ${refusal}`, { field: 'url' });
    }
    const token = await db.tx(async (trx) => {
      if (!known) await insertUnknown(trx, body.id);
      const gate = await store.lockGate(trx, body.id);
      // Re-judged under the lock: a racing bootstrap or a deletion may have come first.
      if (!gate || gate.status === 'removed' || (bootstrap && gate.has_live_token)) throw unauthenticated();
      if (SUSPENDED.has(gate.status))
        throw new PlatformError('workspace_suspended', `the workspace is ${gate.status} and cannot register`, {
          status: gate.status,
        });
      const keepUrl = gate.url_source === 'provisioner' && gate.url !== null;
      const row = await workspaces.transitionIn(trx, 'register', body.id, {
        patch: {
          ...(keepUrl ? {} : { url, url_source: url ? 'agent' : null }),
          agent_card: JSON.stringify(body.agent_card),
          last_heartbeat_at: new Date(),
          delivery_mode: mode,
          updated_at: new Date(),
        },
      });
      if (!row)
        throw new PlatformError('workspace_suspended', 'the workspace cannot register now', { status: gate.status });
      if (!bootstrap) return null;
      const minted = await auth.tokens.mint(trx, body.id);
      await store.closeEnrolment(trx, body.id);
      return minted.token;
    });
    workspaces.forget(body.id);
    ports.drain(body.id);
    const inbound = await secrets.readOrHeal(body.id);
    if (inbound.healed) workspaces.forget(body.id);
    return {
      status: 'registered',
      delivery_mode: mode,
      ...(token === null ? {} : { auth_token: token }),
      ...(inbound.error ? {} : { platform_inbound_secret: inbound.secret }),
    };
  }

  /** Receipts and leases must never cost the beat its answer, so a failure is logged and the next beat repeats it. */
  async function noteActive(body: HeartbeatBody): Promise<void> {
    try {
      if (body.active_messages?.length) await ports.noteActiveMessages(body.workspace_id, body.active_messages);
      if (body.active_delegations?.length)
        await ports.noteActiveDelegations(body.workspace_id, body.active_delegations);
    } catch (error) {
      log.error({ err: error, workspace_id: body.workspace_id }, 'receipts of a beat could not be stored');
    }
  }

  function tell(row: BeatResult): void {
    if (row.current_task !== row.previous_task) {
      events.broadcast({
        event: 'TASK_UPDATED',
        workspace_id: row.id,
        payload: { current_task: row.current_task, active_tasks: row.active_tasks },
      });
    }
    events.broadcast({
      event: 'WORKSPACE_HEARTBEAT',
      workspace_id: row.id,
      payload: {
        active_tasks: row.active_tasks,
        uptime_seconds: row.uptime_seconds,
        ...(row.needs_restart ? { needs_restart: true } : {}),
      },
    });
  }

  async function heartbeat(
    body: HeartbeatBody,
    principal: Principal,
  ): Promise<{ status: 'ok'; platform_inbound_secret?: string }> {
    if (principal.kind !== 'workspace' || principal.workspaceId !== body.workspace_id) throw unauthenticated();
    const snapshot = toSnapshot(body, principal.tokenId);
    const receivedAt = performance.now();
    const rests = isAtRest(body);
    const canWait = rests && atRest.has(body.workspace_id);
    noteRest(body.workspace_id, rests);
    const row = await beats.add(snapshot, { canWait });
    // The token was live a moment ago: revoked or deleted in between.
    if (!row) throw unauthenticated();
    const beat = { receivedAt, activeTasks: snapshot.activeTasks, messageIds: body.active_messages ?? [] };
    ports.noteBeat(row.id, beat, row.has_waiting);
    if (row.facts_changed) workspaces.forget(row.id);
    await noteActive(body);
    const edge = judgeBeat(body, snapshot, row);
    if (edge)
      await workspaces.transition(edge, row.id, {
        details: { recoveredFrom: row.status, runtimeState: body.runtime_state },
      });
    if (row.has_waiting && row.active_tasks < row.max_concurrent_tasks) ports.drain(row.id);
    tell(row);
    const inbound = await secrets.readOrHeal(row.id);
    if (inbound.healed) workspaces.forget(row.id);
    return { status: 'ok', ...(inbound.error ? {} : { platform_inbound_secret: inbound.secret }) };
  }

  async function updateCard(
    id: string,
    card: Record<string, unknown>,
    bearer: string | null,
    principal: Principal,
  ): Promise<void> {
    if (!isAdmin(principal)) await assertOwnToken(id, bearer);
    await db.tx(async (trx) => {
      if (await store.saveCard(trx, id, JSON.stringify(card)))
        await events.append(trx, { event: 'AGENT_CARD_UPDATED', workspace_id: id, payload: { agent_card: card } });
    });
    workspaces.forget(id);
  }

  /**
   * @param caller the asking workspace; null = an operator that names none.
   * @param isOperator may learn that an id is unknown; workspaces get the same answer as for those they may not reach.
   */
  async function discover(
    id: string,
    caller: string | null,
    isOperator: boolean,
  ): Promise<{ id: string; url: string; name: string }> {
    if (caller === null)
      throw new PlatformError('invalid_request', 'X-Workspace-ID: is required', { field: 'X-Workspace-ID' });
    const target = await workspaces.facts(id);
    const isGone = target === null || target.status === 'removed';
    if (isOperator && isGone) throw notFound('workspace');
    if (isGone || !(await ports.canCommunicate(caller, id)))
      throw new PlatformError('access_denied', 'access denied: workspaces cannot communicate per hierarchy rules');
    if (!target.url || (target.status !== 'online' && target.status !== 'degraded'))
      throw new PlatformError('agent_not_ready', 'the workspace is not reachable', { status: target.status });
    const callerFacts = await workspaces.facts(caller);
    const url =
      target.runtime === 'external' && callerFacts?.runtime !== 'external'
        ? reachableFromBackend(target.url)
        : target.url;
    if (await ports.judgeUrl(url, 'discover', target.urlSource === 'provisioner'))
      throw new PlatformError('agent_url_unsafe', 'workspace URL failed safety check');
    return { id, url, name: target.name };
  }

  /** An address on the owner's own machine, as seen from a container. */
  function reachableFromBackend(url: string): string {
    const parsed = new URL(url);
    if (!['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname)) return url;
    parsed.hostname = 'host.docker.internal';
    return parsed.href.replace(/\/$/, '');
  }

  async function listPeers(id: string, needle: string | undefined): Promise<store.PeerRow[]> {
    const self = await workspaces.facts(id);
    if (!self || self.status === 'removed') throw notFound('workspace');
    return await store.listPeers(db.kysely, id, needle || null);
  }

  return { register, heartbeat, updateCard, discover, listPeers, flush: () => beats.idle() };
}

export type RegistryService = ReturnType<typeof createRegistryService>;
