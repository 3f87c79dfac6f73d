// From a row in `provisioning` to a workload that was started (chapter 10 §7.3). The same steps for every backend.
// Going online is not decided here: the agent registers.

import { randomBytes } from 'node:crypto';
import type { Auth } from '../auth/index.ts';
import type { Config } from '../config.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import { type Secrets, SecretsUnreadableError } from '../secrets/index.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import {
  type Backend,
  OvertakenError,
  StartRefusedError,
  type WorkloadFacts,
  type WorkspaceAccess,
} from './backend.ts';
import { applySeat, generateConfig } from './config-file.ts';
import { enrolmentEnd } from './deadlines.ts';
import { buildAgentEnvironment } from './environment.ts';
import { logProvisionEvent } from './provlog.ts';
import * as store from './store.ts';
import { parseConfig, type Templates } from './templates.ts';

const GONE = 'the workspace was removed or put to sleep while it started';

export interface StartOptions {
  /** Part of a restart; told in the provisioning log. */
  sync: boolean;
  /** Written over the config directory; null = it stays as it is. */
  files: Record<string, string> | null;
  /** Forget the conversations the agent's framework keeps by itself. */
  resetSession: boolean;
}

export interface PipelineDeps {
  db: Database;
  config: Config;
  workspaces: Workspaces;
  secrets: Secrets;
  auth: Auth;
  backend: Backend;
  templates: Templates;
  /** The digest a runtime is pinned to; null = its newest image. */
  findImagePin(runtime: string): Promise<string | null>;
  platformUrl(): string;
  deadlines(): store.Deadlines;
  log: Logger;
}

export function createPipeline(deps: PipelineDeps) {
  const { db, config, workspaces, secrets, auth, backend, templates, log } = deps;

  async function readSecrets(id: string): Promise<Record<string, string>> {
    try {
      return await secrets.merged(id);
    } catch (error) {
      if (!(error instanceof SecretsUnreadableError)) throw error;
      throw new StartRefusedError(
        error.failedKeys.some((key) => key.startsWith('global:'))
          ? 'failed to decrypt global secret'
          : 'failed to decrypt workspace secret',
      );
    }
  }

  /** What the restart asked for; else the volume as it is, so that edits survive; else the template, else a generated config. */
  async function chooseFiles(
    row: WorkspaceRow,
    model: string,
    wanted: Record<string, string> | null,
  ): Promise<{ files: Record<string, string>; config: string }> {
    const existing = wanted?.['config.yaml'] ?? (await backend.readConfigFile(row.id, 'config.yaml'));
    if (existing !== null) {
      const text = applySeat(existing, row);
      return { files: { ...wanted, ...(wanted || text !== existing ? { 'config.yaml': text } : {}) }, config: text };
    }
    const files = wanted ?? templates.findFiles(row.template, row.runtime) ?? {};
    const own = files['config.yaml'];
    const text = own === undefined ? generateConfig(row, model) : applySeat(own, row);
    return { files: { ...files, 'config.yaml': text }, config: text };
  }

  /** None when it cannot be parsed: the runtime then says what is wrong with it. */
  function readRequiredEnv(configText: string): string[] {
    try {
      return parseConfig(configText).requiredEnv;
    } catch (error) {
      log.warn({ err: error }, 'config.yaml cannot be parsed, so its required variables are not checked');
      return [];
    }
  }

  function assertRequiredEnv(configText: string, env: Record<string, string>): void {
    const missing = readRequiredEnv(configText).filter((name) => !env[name]);
    if (missing.length > 0)
      throw new StartRefusedError(
        `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not set; save ${missing.length === 1 ? 'it' : 'them'} as a secret`,
        { missing },
      );
  }

  /** A start makes every older token worthless, so an earlier workload cannot speak for this one. */
  async function mintCredentials(row: WorkspaceRow): Promise<{ authToken: string | null; inboundSecret: string }> {
    const inboundSecret = row.platform_inbound_secret || randomBytes(32).toString('base64url');
    const enrollUntil = enrolmentEnd(deps.deadlines(), row.runtime);
    const authToken = await db.tx(async (trx) => {
      // The row first, as a removal takes it: what it has removed must not get a token any more.
      if (!(await store.saveCredentials(trx, row.id, inboundSecret, enrollUntil))) throw new OvertakenError(GONE);
      await auth.tokens.revokeAll(trx, [row.id], { byDeletion: false });
      return backend.deliversTokens ? (await auth.tokens.mint(trx, row.id)).token : null;
    });
    await auth.tokens.forget();
    workspaces.forget(row.id);
    return { authToken, inboundSecret };
  }

  /** Before the workload runs, or it would register with an address the guard has to refuse. */
  async function publish(id: string, url: string): Promise<void> {
    const saved = await store.saveUrl(db.kysely, id, url);
    workspaces.forget(id);
    if (!saved) throw new OvertakenError(GONE);
  }

  async function record(id: string, facts: WorkloadFacts): Promise<void> {
    if (!(await store.saveFacts(db.kysely, id, facts))) throw new OvertakenError('the workspace is gone');
  }

  /** @throws StartRefusedError with a message for people, OvertakenError; else a fault of ours or the backend's. */
  async function run(id: string, options: StartOptions): Promise<void> {
    const row = await workspaces.get(id);
    if (row?.status !== 'provisioning') return;
    logProvisionEvent(log, 'provision.start', {
      workspace_id: id,
      name: row.name,
      runtime: row.runtime,
      tier: row.tier,
      template: row.template,
      backend: backend.name,
      sync: options.sync,
    });
    const values = await readSecrets(id);
    const { model } = await secrets.readModel(id, row.runtime);
    const { files, config: configText } = await chooseFiles(row, model, options.files);
    const env = buildAgentEnvironment({
      row,
      secrets: values,
      modelEnvironment: config.modelEnvironment,
      model,
      platformUrl: deps.platformUrl(),
      emailDomain: config.agentEmailDomain,
    });
    assertRequiredEnv(configText, env);
    const credentials = await mintCredentials(row);
    await backend.start({
      id,
      name: row.name,
      runtime: row.runtime,
      tier: row.tier,
      workspaceAccess: row.workspace_access as WorkspaceAccess,
      imageDigest: await deps.findImagePin(row.runtime),
      workspaceDir: row.workspace_access === 'none' ? null : row.workspace_dir,
      env,
      files,
      ...credentials,
      resetSession: options.resetSession,
      publish: (url) => publish(id, url),
      record: (facts) => record(id, facts),
    });
    // Between the address and the launch the seat may have gone too.
    if (!(await store.maySeatRun(db.kysely, id))) await backend.stop(id);
  }

  return { run };
}

export type Pipeline = ReturnType<typeof createPipeline>;
