// Secrets: encrypted at rest, written by people, read by the agents they are for (chapter 10 §2.3). Values never leave by a list.

import { secretKey, secretRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Config } from '../config.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { createCipher, resolveKey } from './cipher.ts';
import { createFieldCipher, type FieldCipher } from './field-cipher.ts';
import { createGithubTokens } from './github-tokens.ts';
import { defaultModel } from './models.ts';
import { createRotation } from './rotation.ts';
import * as store from './store.ts';

export type { FieldCipher } from './field-cipher.ts';
export { defaultModel } from './models.ts';

/** Set by the platform itself for every agent; a secret of that name would break it. */
const RESERVED =
  /^(WORKSPACE_ID|WORKSPACE_CONFIG_PATH|CONFIGS_DIR|PLATFORM_URL|MOLECULE_.*|PORT|HOME|PATH|TIER|PLUGINS_DIR|PYTHONPATH|NODE_OPTIONS|ADMIN_TOKEN|DATABASE_URL|SECRETS_ENCRYPTION_KEY|DELEGATION_RESULTS_FILE|PARENT_ID)$/;
const MODEL_KEY = 'MODEL_PROVIDER';
const NO_STORE = { 'cache-control': 'no-store' };
const ASLEEP = new Set(['paused', 'hibernating', 'hibernated', 'removed']);

export interface Secrets {
  /** Decrypted, workspace over global. @throws SecretsUnreadableError naming the keys. */
  merged(id: string): Promise<Record<string, string>>;
  /** Names of global secrets with a value that can be read and is not empty. */
  globalKeys(): Promise<string[]>;
  saveMany(trx: Transaction<Tables>, id: string, values: Record<string, string>): Promise<void>;
  /** The seat's own choice; else the organisation's, a global `MODEL_PROVIDER`; else the runtime's default. */
  readModel(id: string, runtime: string): Promise<{ model: string; source: 'workspace_secrets' | 'default' }>;
  saveModel(id: string, model: string): Promise<void>;
  /** For secrets that are kept as single fields of something else: text in, text out. */
  fields: FieldCipher;
  loops: Loop[];
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export class SecretsUnreadableError extends Error {
  /** `global:KEY` or `workspace:KEY`. */
  readonly failedKeys: string[];
  constructor(failedKeys: string[]) {
    super('secrets cannot be decrypted');
    this.failedKeys = failedKeys;
  }
}

const unreadable = (failedKeys: string[]) =>
  new PlatformError('secrets_unreadable', 'stored secrets cannot be decrypted', { failed_keys: failedKeys });

export interface SecretsDeps {
  db: Database;
  config: Config;
  workspaces: Workspaces;
  log: Logger;
  clock: Clock;
  /** Coalesced; workspaces that are not running are left alone by the dispatcher. */
  restart(ids: string[]): void;
}

export async function createSecrets({ db, config, workspaces, log, clock, restart }: SecretsDeps): Promise<Secrets> {
  const cipher = createCipher(resolveKey(config, log), config.previousSecretsKeys);
  const github = createGithubTokens(config.githubApp, clock, log);

  function assertKey(key: string): void {
    if (!secretKey.safeParse(key).success)
      throw invalid('key', 'must be an environment variable name of at most 128 characters');
    if (RESERVED.test(key)) throw invalid('key', `${key} is set by the platform`);
  }

  /** Values become environment variables, which end at a NUL. */
  function assertValue(value: string): void {
    if (value.includes('\0')) throw invalid('value', 'must not contain NUL characters');
  }

  async function assertLive(id: string): Promise<void> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
  }

  /** A seat that sleeps gets the change when it wakes. */
  async function restartAwake(id: string): Promise<void> {
    const facts = await workspaces.facts(id);
    if (facts && !ASLEEP.has(facts.status)) restart([id]);
  }

  /** Null when it cannot be decrypted; logged by name. */
  function read(row: store.StoredSecret): string | null {
    try {
      return cipher.decrypt(row.encrypted_value, row.encryption_version);
    } catch (error) {
      log.error({ err: error, key: row.key, scope: row.scope }, 'a secret cannot be decrypted');
      return null;
    }
  }

  async function merged(id: string): Promise<Record<string, string>> {
    const values: Record<string, string> = {};
    const failed: string[] = [];
    for (const row of await store.listMerged(db.kysely, id)) {
      const value = read(row);
      if (value === null) failed.push(`${row.scope}:${row.key}`);
      else values[row.key] = value;
    }
    if (failed.length > 0) throw new SecretsUnreadableError(failed);
    return values;
  }

  async function saveWorkspace(id: string, key: string, value: string) {
    assertKey(key);
    assertValue(value);
    await assertLive(id);
    await store.upsertWorkspace(db.kysely, id, { key, ...cipher.encrypt(value) });
    await restartAwake(id);
    return { status: 'saved' as const, key };
  }

  async function saveGlobal(key: string, value: string) {
    assertKey(key);
    assertValue(value);
    await store.upsertGlobal(db.kysely, { key, ...cipher.encrypt(value) });
    restart(await store.listReached(db.kysely, key));
    return { status: 'saved' as const, key, scope: 'global' as const };
  }

  const show = (row: store.StoredSecret) => ({
    key: row.key,
    has_value: true as const,
    scope: row.scope,
    created_at: row.created_at,
    updated_at: row.updated_at,
  });

  return {
    fields: createFieldCipher(cipher),
    loops: [createRotation(db, cipher)],
    merged,
    async globalKeys() {
      const rows = await store.listGlobal(db.kysely);
      return rows.filter((row) => read(row)).map((row) => row.key);
    },
    async saveMany(trx, id, values) {
      for (const [key, value] of Object.entries(values)) {
        assertKey(key);
        assertValue(value);
        await store.upsertWorkspace(trx, id, { key, ...cipher.encrypt(value) });
      }
    },
    async readModel(id, runtime) {
      const rows = await store.listMerged(db.kysely, id);
      const row = rows.find(({ key }) => key === MODEL_KEY);
      if (!row) return { model: defaultModel(runtime), source: 'default' };
      const model = read(row);
      if (model === null) throw unreadable([`${row.scope}:${MODEL_KEY}`]);
      return { model, source: row.scope === 'workspace' ? 'workspace_secrets' : 'default' };
    },
    async saveModel(id, model) {
      if (model === '') await store.deleteWorkspace(db.kysely, id, MODEL_KEY);
      else await store.upsertWorkspace(db.kysely, id, { key: MODEL_KEY, ...cipher.encrypt(model) });
      await restartAwake(id);
    },
    mount(app, authorize) {
      app.addHook('onClose', () => github.close());
      mount(
        app,
        secretRoutes,
        {
          listSecrets: async ({ params }) => {
            await assertLive(params.id);
            return (await store.listMerged(db.kysely, params.id)).map(show);
          },
          getSecretValues: async ({ params }) => {
            try {
              return answer(200, await merged(params.id), NO_STORE);
            } catch (error) {
              throw error instanceof SecretsUnreadableError ? unreadable(error.failedKeys) : error;
            }
          },
          saveSecret: async ({ params, body }) => await saveWorkspace(params.id, body.key, body.value),
          putSecret: async ({ params, body }) => await saveWorkspace(params.id, body.key, body.value),
          deleteSecret: async ({ params }) => {
            if (!(await store.deleteWorkspace(db.kysely, params.id, params.key))) throw notFound('secret');
            await restartAwake(params.id);
            return { status: 'deleted' as const, key: params.key };
          },
          listGlobalSecrets: async () => (await store.listGlobal(db.kysely)).map(show),
          saveGlobalSecret: async ({ body }) => await saveGlobal(body.key, body.value),
          putGlobalSecret: async ({ body }) => await saveGlobal(body.key, body.value),
          deleteGlobalSecret: async ({ params }) => {
            if (!(await store.deleteGlobal(db.kysely, params.key))) throw notFound('secret');
            restart(await store.listReached(db.kysely, params.key));
            return { status: 'deleted' as const, key: params.key, scope: 'global' as const };
          },
          getGithubToken: async () => answer(200, await github.get(), NO_STORE),
          getSeatGithubToken: async ({ params }) => {
            await assertLive(params.id);
            return answer(200, await github.get(), NO_STORE);
          },
        },
        authorize,
      );
    },
  };
}
