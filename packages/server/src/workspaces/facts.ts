// What the message path must know of a workspace without asking the database: an in-process cache of one small record each.
// Dropped by the events that change a workspace and, across replicas, by a notification. Owns no rule.

import type { WorkspaceStatus } from '@molecule/contract';
import type { Database } from '../platform/db/index.ts';
import type { WorkspaceRow } from './lifecycle.ts';
import { findWorkspace } from './store.ts';

export interface WorkspaceFacts {
  id: string;
  name: string;
  role: string | null;
  tier: number;
  status: WorkspaceStatus;
  parentId: string | null;
  runtime: string;
  url: string | null;
  urlSource: 'agent' | 'provisioner' | null;
  deliveryMode: 'push' | 'poll' | null;
  /** The A2A version the card declares; 0.3 when it is silent (ruling R7). */
  protocolVersion: '0.3' | '1.0';
  streaming: boolean;
  inboundSecret: string | null;
  /** Cents; null = no limit. */
  budgetLimit: number | null;
  monthlySpend: number;
  activeTasks: number;
  maxConcurrentTasks: number;
  capabilities: Record<string, boolean>;
  idleTimeoutSeconds: number | null;
}

const TTL_MS = 300_000;
const MOST_ENTRIES = 20_000;
export const FACTS_CHANNEL = 'molecule_facts';

interface RuntimeMetadata {
  capabilities?: Record<string, boolean>;
  idle_timeout_seconds?: number;
}

interface Card {
  /** v0.3 cards. */
  protocolVersion?: unknown;
  /** v1.0 cards. */
  supportedInterfaces?: { protocolVersion?: unknown }[];
  capabilities?: { streaming?: unknown };
}

/** A card that offers several versions is spoken to in the older one, which every reader of it knows. */
function readVersion({ protocolVersion, supportedInterfaces }: Card): WorkspaceFacts['protocolVersion'] {
  const offered = Array.isArray(supportedInterfaces) ? supportedInterfaces.map((one) => one?.protocolVersion) : [];
  const versions = [protocolVersion, ...offered].filter((version) => typeof version === 'string');
  return versions.length > 0 && versions.every((version) => version.startsWith('1')) ? '1.0' : '0.3';
}

export function toFacts(row: WorkspaceRow): WorkspaceFacts {
  const card = (row.agent_card ?? {}) as Card;
  const metadata = (row.runtime_metadata ?? {}) as RuntimeMetadata;
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    tier: row.tier,
    status: row.status as WorkspaceStatus,
    parentId: row.parent_id,
    runtime: row.runtime,
    url: row.url,
    urlSource: row.url_source as WorkspaceFacts['urlSource'],
    deliveryMode: row.delivery_mode as WorkspaceFacts['deliveryMode'],
    protocolVersion: readVersion(card),
    streaming: card.capabilities?.streaming === true,
    inboundSecret: row.platform_inbound_secret,
    budgetLimit: row.budget_limit,
    monthlySpend: row.monthly_spend,
    activeTasks: row.active_tasks,
    maxConcurrentTasks: row.max_concurrent_tasks,
    capabilities: metadata.capabilities ?? {},
    idleTimeoutSeconds: metadata.idle_timeout_seconds ?? null,
  };
}

export interface FactsCache {
  /** Null for an unknown id. A removed workspace is returned with status `removed`. */
  get(id: string): Promise<WorkspaceFacts | null>;
  /** Drops the record here and on every other replica. */
  forget(id: string): void;
  /** Drops the record here only; for changes the other replicas learn by an event. */
  drop(id: string): void;
  /** Drops everything, after notifications may have been missed. */
  clear(): void;
}

export function createFactsCache(db: Database, onNotifyError: (error: unknown) => void): FactsCache {
  const entries = new Map<string, { facts: Promise<WorkspaceFacts | null>; until: number }>();

  function drop(id: string): void {
    entries.delete(id);
  }

  return {
    get(id) {
      const known = entries.get(id);
      if (known && known.until > Date.now()) return known.facts;
      const facts = findWorkspace(db.kysely, id).then((row) => (row ? toFacts(row) : null));
      const entry = { facts, until: Date.now() + TTL_MS };
      if (entries.size >= MOST_ENTRIES) entries.clear();
      entries.set(id, entry);
      // Absence and failure are never cached: the row may appear the next moment.
      const forgetEntry = () => {
        if (entries.get(id) === entry) entries.delete(id);
      };
      facts.then((found) => found === null && forgetEntry(), forgetEntry);
      return facts;
    },
    forget(id) {
      drop(id);
      if (db.kind === 'postgres') db.notify(FACTS_CHANNEL, id).catch(onNotifyError);
    },
    drop,
    clear: () => entries.clear(),
  };
}
