// From a row in `provisioning` to a workload that was started (chapter 10 §7.3). The same steps for every backend.
// Going online is not decided here: the agent registers.

import { randomBytes } from 'node:crypto';
import type { Auth } from '../auth/index.ts';
import type { Config } from '../config.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import { defaultModel, type Secrets, SecretsUnreadableError } from '../secrets/index.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import type { Backend } from './backend.ts';
import { applySeat, generateConfig } from './config-file.ts';
import { buildAgentEnvironment } from './environment.ts';
import * as store from './store.ts';
import { parseConfig, type Templates } from './templates.ts';

const ENROLMENT_SLACK_SECONDS = 300;

/** A start that cannot succeed; the message is shown to people, `extra` goes into the event. */
export class ProvisionError extends Error {
  readonly extra: Record<string, unknown>;
  constructor(message: string, extra: Record<string, unknown> = {}) {
    super(message);
    this.name = 'ProvisionError';
    this.extra = extra;
  }
}

/** The seat was removed or put to sleep while it started: nothing failed, and nothing may keep running. */
class SuspendedError extends Error {}

export interface PipelineDeps {
  db: Database;
  config: Config;
  workspaces: Workspaces;
  secrets: Secrets;
  auth: Auth;
  backend: Backend;
  templates: Templates;
  platformUrl(): string;
  deadlineSeconds(runtime: string): number;
  log: Logger;
}

export function createPipeline(deps: PipelineDeps) {
  const { db, config, workspaces, secrets, auth, backend, templates, log } = deps;

  async function readSecrets(id: string): Promise<Record<string, string>> {
    try {
      return await secrets.merged(id);
    } catch (error) {
      if (!(error instanceof SecretsUnreadableError)) throw error;
      throw new ProvisionError(
        error.failedKeys.some((key) => key.startsWith('global:'))
          ? 'failed to decrypt global secret'
          : 'failed to decrypt workspace secret',
      );
    }
  }

  /** The volume as it is, so that edits survive a restart; else the template, else a generated config. */
  async function chooseFiles(
    row: WorkspaceRow,
    model: string,
  ): Promise<{ files: Record<string, string>; config: string }> {
    const existing = await backend.readConfigFile(row.id, 'config.yaml');
    if (existing !== null) {
      const text = applySeat(existing, row);
      return { files: text === existing ? {} : { 'config.yaml': text }, config: text };
    }
    const files = templates.findFiles(row.template, row.runtime) ?? {};
    const own = files['config.yaml'];
    const text = own === undefined ? generateConfig(row, model) : applySeat(own, row);
    return { files: { ...files, 'config.yaml': text }, config: text };
  }

  function assertRequiredEnv(configText: string, env: Record<string, string>): void {
    let required: string[];
    try {
      required = parseConfig(configText).requiredEnv;
    } catch (error) {
      log.warn({ err: error }, 'config.yaml cannot be parsed, so its required variables are not checked');
      return;
    }
    const missing = required.filter((name) => !env[name]);
    if (missing.length > 0)
      throw new ProvisionError(
        `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not set; save ${missing.length === 1 ? 'it' : 'them'} as a secret`,
        { missing },
      );
  }

  /** A start makes every older token worthless, so an earlier workload cannot speak for this one. */
  async function mintCredentials(row: WorkspaceRow): Promise<{ authToken: string; inboundSecret: string }> {
    const inboundSecret = row.platform_inbound_secret || randomBytes(32).toString('base64url');
    const enrollUntil = new Date(Date.now() + (deps.deadlineSeconds(row.runtime) + ENROLMENT_SLACK_SECONDS) * 1000);
    const authToken = await db.tx(async (trx) => {
      await auth.tokens.revokeAll(trx, [row.id], { byDeletion: false });
      await store.saveCredentials(trx, row.id, inboundSecret, enrollUntil);
      return (await auth.tokens.mint(trx, row.id)).token;
    });
    await auth.tokens.forget();
    workspaces.forget(row.id);
    return { authToken, inboundSecret };
  }

  /** Before the workload runs, or it would register with an address the guard has to refuse. */
  async function publish(id: string, url: string): Promise<void> {
    const saved = await store.saveUrl(db.kysely, id, url);
    workspaces.forget(id);
    if (!saved) throw new SuspendedError('the workspace was removed or put to sleep while it started');
  }

  /** @throws ProvisionError with a message for people; anything else is a fault of ours or the backend's. */
  async function run(id: string): Promise<void> {
    const row = await workspaces.get(id);
    if (row?.status !== 'provisioning') return;
    log.info(
      `evt: provision.start ${JSON.stringify({ workspace_id: id, name: row.name, runtime: row.runtime, tier: row.tier, template: row.template, backend: backend.name, sync: false })}`,
    );
    const values = await readSecrets(id);
    const model = values.MODEL_PROVIDER || defaultModel(row.runtime);
    const env = buildAgentEnvironment({
      row,
      secrets: values,
      modelEnvironment: config.modelEnvironment,
      model,
      platformUrl: deps.platformUrl(),
      emailDomain: config.agentEmailDomain,
    });
    const { files, config: configText } = await chooseFiles(row, model);
    assertRequiredEnv(configText, env);
    const credentials = await mintCredentials(row);
    try {
      await backend.start({
        id,
        name: row.name,
        tier: row.tier,
        workspaceDir: row.workspace_access === 'none' ? null : row.workspace_dir,
        env,
        files,
        ...credentials,
        publish: (url) => publish(id, url),
      });
    } catch (error) {
      if (error instanceof SuspendedError) return await backend.stop(id);
      throw error;
    }
    // Between the address and the launch the seat may have gone too.
    if (!(await store.maySeatRun(db.kysely, id))) await backend.stop(id);
  }

  return { run };
}

export type Pipeline = ReturnType<typeof createPipeline>;
