// The platform's settings: the environment, parsed once and frozen. The only place of the server that reads process.env.
// Every variable stands in chapter 10 §10 or chapter 20 §13.

import { existsSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type DockerSettings, readDockerSettings } from './config-docker.ts';
import { ConfigError, type Environment, positiveWhole, text } from './config-env.ts';

export type { DockerSettings } from './config-docker.ts';
export { ConfigError } from './config-env.ts';

export const PROVISIONERS = ['process', 'docker', 'control-plane', 'kubernetes', 'none'] as const;
export type ProvisionerName = (typeof PROVISIONERS)[number];

export interface GithubApp {
  apiUrl: string;
  appId: string;
  installationId: string;
  privateKeyFile: string;
}

export interface Config {
  host: string;
  port: number;
  databaseUrl: string | null;
  dataDir: string;
  /** Where agents reach the platform. */
  platformUrl: string;
  /** Where people and laptops reach it, for connection blocks; null = as the request says. */
  externalPlatformUrl: string | null;
  environment: string;
  isDevelopment: boolean;
  isProduction: boolean;
  isSaas: boolean;
  /** Tenant identity of a hosted platform: the guard at the edge, sessions and the control-plane backend go by it. */
  orgId: string | null;
  orgSlug: string | null;
  /** Control plane: verifies sessions and takes what comes in under `/cp/`. */
  cpUpstreamUrl: string | null;
  /** All four of them, or null: installation tokens cannot be had then. */
  githubApp: GithubApp | null;
  /** Signs what GitHub delivers to the webhook; null: none is taken. */
  githubWebhookSecret: string | null;
  /** Verifies what comes from Discord for channels without a key of their own. */
  discordAppPublicKey: string | null;
  /** Where the canvas comes from instead of the files of this repository. */
  canvasProxyUrl: string | null;
  /** From the environment; the generated one lives in the data directory (auth). */
  adminToken: string | null;
  /** `ADMIN_TOKEN` empty and a development environment: bearer-less callers act as administrators. */
  devHatch: boolean;
  testTokensEnabled: boolean;
  secretsKey: string | null;
  /** Keys that only read: what was written under one is written again under the current key. */
  previousSecretsKeys: readonly Buffer[];
  provisioner: ProvisionerName;
  /** Where machines are asked for, on the control-plane backend; null on every other. */
  cpProvisionUrl: string | null;
  /** Proves this tenant to the control plane. */
  cpSharedSecret: string | null;
  /** Reads the console of a machine. */
  cpAdminApiToken: string | null;
  /** What stands before the runtime in the name of its image. */
  imagePrefix: string;
  docker: DockerSettings;
  /** Of the workloads; null = the platform's own. */
  kubernetesNamespace: string | null;
  /** File that names the cluster, or several; null = the usual one, else the cluster this platform runs in. */
  kubeconfig: string | null;
  provisionConcurrency: number;
  provisionTimeoutSeconds: number | null;
  templatesDir: string;
  orgTemplatesDir: string;
  canvasDir: string;
  /** Other origins whose pages may use the API, on every transport; the platform's own always may. */
  corsOrigins: string[];
  trustedProxies: string[];
  /** Requests per minute and client; 0 = unlimited. */
  rateLimit: number;
  a2aIdleTimeoutSeconds: number;
  /** How many messages of one caller may wait for one target. */
  a2aQueueLimitPerCaller: number;
  remoteLivenessStaleSeconds: number;
  delegationSweepSeconds: number;
  delegationStuckSeconds: number;
  activityRetentionDays: number;
  activityCleanupHours: number;
  agentEmailDomain: string;
  logLevel: string;
  /** Model keys found in the environment: handed to agents of the process backend like global secrets. */
  modelEnvironment: Readonly<Record<string, string>>;
  /** Path, locale, time zone, temporary directory, proxies and compile cache of this process: all that a child process inherits. */
  baseEnvironment: Readonly<Record<string, string>>;
  /** What `${VAR}` may stand for in the `workspace_dir` of an organisation template, besides the template's own `.env`. */
  templateVariables: Readonly<Record<string, string>>;
  /** Settings that were unusable and what was used instead; logged at boot. */
  warnings: string[];
}

const MODEL_VARIABLE =
  /^(ANTHROPIC|OPENAI|OPENROUTER|GROQ|CEREBRAS|QIANFAN|GOOGLE_GENAI|GEMINI|OLLAMA|XAI|DEEPSEEK|MISTRAL|MINIMAX|GLM|KIMI|QWEN)_(API_KEY|BASE_URL)$/;
/**
 * Chapter 10 §7.5: the environment of a workload is built from scratch out of these, the certificates a proxy needs, and where
 * compiled code is kept: without it each agent takes 28 MB more and compiles itself anew.
 */
const HOST_VARIABLE =
  /^(PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|HTTP_PROXY|HTTPS_PROXY|ALL_PROXY|NO_PROXY|http_proxy|https_proxy|all_proxy|no_proxy|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS|NODE_COMPILE_CACHE)$/;
/** Few on purpose: an organisation token may import, and must not read the platform's secrets this way. */
const TEMPLATE_VARIABLE = /^(HOME|USER|WORKSPACE_DIR)$/;
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1', '[::1]']);

export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.has(host) || (isIPv4(host) && host.startsWith('127.'));
}

/** `MOLECULE_PROVISION_CONCURRENCY` (chapter 10 §7.7): unset 3, 0 unlimited, nonsense 3 with a warning. */
export function parseProvisionConcurrency(value: string | undefined, warnings: string[]): number {
  const trimmed = value?.trim() ?? '';
  if (trimmed === '') return 3;
  if (/^\d+$/.test(trimmed)) return Number(trimmed) === 0 ? 2 ** 20 : Number(trimmed);
  warnings.push(`MOLECULE_PROVISION_CONCURRENCY=${trimmed} is not a count; using 3`);
  return 3;
}

function parseSaas(env: Environment, warnings: string[]): boolean {
  const mode = text(env, 'MOLECULE_DEPLOY_MODE')?.toLowerCase();
  if (mode === 'saas') return true;
  if (mode === undefined) return text(env, 'MOLECULE_ORG_ID') !== null;
  if (!['self-hosted', 'selfhosted', 'standalone'].includes(mode))
    warnings.push(`MOLECULE_DEPLOY_MODE=${mode} is not known; outbound addresses are checked strictly`);
  return false;
}

function parsePort(env: Environment): number {
  const value = text(env, 'PORT');
  if (value === null) return 8080;
  const port = Number(value);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new ConfigError(`PORT=${value} is not a port number`, 'PORT=8080 npm start');
  return port;
}

function parseProvisioner(env: Environment): ProvisionerName {
  const value = text(env, 'MOLECULE_PROVISIONER') ?? (text(env, 'MOLECULE_ORG_ID') ? 'control-plane' : 'process');
  const parsed = z.enum(PROVISIONERS).safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    `MOLECULE_PROVISIONER=${value} is not a backend of this version (${PROVISIONERS.join(', ')})`,
    'MOLECULE_PROVISIONER=process npm start',
  );
}

/** Where agents reach the platform: a container or a machine has a loopback of its own. */
function readPlatformUrl(env: Environment, provisioner: ProvisionerName, host: string, warnings: string[]): string {
  const port = parsePort(env);
  const given = text(env, 'PLATFORM_URL');
  if (given !== null) return given.replace(/\/+$/, '');
  if (provisioner === 'process' || provisioner === 'none') return `http://127.0.0.1:${port}`;
  if (provisioner === 'docker' && isLoopbackHost(host) && process.platform === 'linux')
    warnings.push(
      `HOST=${host} cannot be reached from containers; set HOST=0.0.0.0 (with ADMIN_TOKEN) or PLATFORM_URL`,
    );
  return `http://host.docker.internal:${port}`;
}

/** http or https, without credentials, query and trailing slash. */
function readUrl(env: Environment, name: string): string | null {
  const value = text(env, name);
  if (value === null) return null;
  const url = URL.parse(value);
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search;
  if (!isUsable)
    throw new ConfigError(`${name} is not an http or https address`, `${name}=https://host.example npm start`);
  return value.replace(/\/+$/, '');
}

/** No address by default either (ruling R9). */
function readGithubApp(env: Environment, warnings: string[]): GithubApp | null {
  const app = {
    apiUrl: readUrl(env, 'GITHUB_API_URL'),
    appId: text(env, 'GITHUB_APP_ID'),
    installationId: text(env, 'GITHUB_APP_INSTALLATION_ID'),
    privateKeyFile: text(env, 'GITHUB_APP_PRIVATE_KEY_FILE'),
  };
  const { apiUrl, appId, installationId, privateKeyFile } = app;
  if (apiUrl && appId && installationId && privateKeyFile) return { apiUrl, appId, installationId, privateKeyFile };
  if (appId || installationId || privateKeyFile)
    warnings.push(
      'the GitHub App needs GITHUB_API_URL, GITHUB_APP_ID, _INSTALLATION_ID and _PRIVATE_KEY_FILE; it is off',
    );
  return null;
}

/** Without a default: nobody's machines are meant unless somebody says whose (ruling R9). */
function readControlPlaneUrl(env: Environment, provisioner: ProvisionerName): string | null {
  const url = readUrl(env, 'CP_PROVISION_URL') ?? readUrl(env, 'MOLECULE_CP_URL');
  if (url !== null || provisioner !== 'control-plane') return url;
  throw new ConfigError(
    'The control-plane backend needs CP_PROVISION_URL or MOLECULE_CP_URL',
    'MOLECULE_CP_URL=https://control-plane.example npm start',
  );
}

/** Behind a proxy that ends TLS the request itself does not show the address people use, so that one counts as well. */
function parseOrigins(env: Environment, externalUrl: string | null): string[] {
  const remedy = 'CORS_ORIGINS=https://canvas.example npm start';
  const listed = (text(env, 'CORS_ORIGINS') ?? 'http://localhost:3000,http://localhost:3001')
    .split(',')
    .map((origin) => origin.trim())
    .filter(Boolean);
  if (listed.includes('*'))
    throw new ConfigError('CORS_ORIGINS may not be *: cookies travel with these requests', remedy);
  const origins = listed.map((origin) => {
    const parsed = URL.parse(origin)?.origin ?? 'null';
    if (parsed === 'null') throw new ConfigError(`CORS_ORIGINS: ${origin} is not an origin`, remedy);
    return parsed;
  });
  return [...new Set(externalUrl === null ? origins : [...origins, new URL(externalUrl).origin])];
}

const SECRETS_KEY_BYTES = 32;

/** 32 bytes, raw or in base64; null for anything else. */
export function parseSecretsKey(text: string): Buffer | null {
  if (Buffer.byteLength(text) === SECRETS_KEY_BYTES) return Buffer.from(text);
  const decoded = Buffer.from(text, 'base64');
  return decoded.length === SECRETS_KEY_BYTES ? decoded : null;
}

function readSecretsKey(env: Environment, isProduction: boolean): string | null {
  const value = text(env, 'SECRETS_ENCRYPTION_KEY');
  const remedy = 'SECRETS_ENCRYPTION_KEY=$(openssl rand -base64 32) npm start';
  if (value === null && isProduction)
    throw new ConfigError('Production needs SECRETS_ENCRYPTION_KEY (32 bytes, raw or base64)', remedy);
  if (value !== null && parseSecretsKey(value) === null)
    throw new ConfigError('SECRETS_ENCRYPTION_KEY must be 32 bytes, raw or base64', remedy);
  return value;
}

/** Comma separated; base64, because a raw key may hold a comma. */
function readPreviousSecretsKeys(env: Environment): Buffer[] {
  return (text(env, 'SECRETS_ENCRYPTION_KEY_PREVIOUS') ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)
    .map((one) => {
      const key = parseSecretsKey(one);
      if (key !== null) return key;
      throw new ConfigError(
        'SECRETS_ENCRYPTION_KEY_PREVIOUS must be keys of 32 bytes, comma separated',
        'SECRETS_ENCRYPTION_KEY_PREVIOUS=<the key used until now> SECRETS_ENCRYPTION_KEY=<the new one> npm start',
      );
    });
}

/** The repository root, found from this file; templates and the built canvas ship beside the packages. */
const REPOSITORY = resolve(import.meta.dirname, '../../..');

/** True for `<PROVIDER>_API_KEY` and `<PROVIDER>_BASE_URL` of a provider the runtime knows (chapter 40 §11). */
export function isModelVariable(name: string): boolean {
  return MODEL_VARIABLE.test(name);
}

function pickVariables(env: Environment, wanted: RegExp): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] => wanted.test(entry[0]) && Boolean(entry[1]?.trim()),
    ),
  );
}

/**
 * @param own the process environment, or a test's own.
 * @param tenant what the control plane says of this tenant; counts before the environment.
 * @throws ConfigError for a setting that cannot be started with.
 */
export function readConfig(own: Environment = process.env, tenant: Readonly<Record<string, string>> = {}): Config {
  const env = { ...own, ...tenant };
  const warnings: string[] = [];
  const host = text(env, 'HOST') ?? '127.0.0.1';
  const port = parsePort(env);
  const environment = text(env, 'MOLECULE_ENV')?.toLowerCase() ?? '';
  const isDevelopment = environment === 'development' || environment === 'dev';
  const isProduction = environment === 'production' || environment === 'prod';
  const adminToken = text(env, 'ADMIN_TOKEN');
  const devHatch = isDevelopment && adminToken === null;
  if (!isLoopbackHost(host) && adminToken === null) {
    throw new ConfigError(
      devHatch
        ? `The development mode without ADMIN_TOKEN may not listen on ${host}`
        : `HOST=${host} is reachable from other machines, so ADMIN_TOKEN must be set`,
      'ADMIN_TOKEN=$(openssl rand -hex 32) npm start',
    );
  }
  if (isProduction && adminToken === null)
    throw new ConfigError('Production needs ADMIN_TOKEN', 'ADMIN_TOKEN=$(openssl rand -hex 32) npm start');
  const externalPlatformUrl = readUrl(env, 'EXTERNAL_PLATFORM_URL');
  const provisioner = parseProvisioner(env);
  const cpSharedSecret = text(env, 'MOLECULE_CP_SHARED_SECRET') ?? text(env, 'PROVISION_SHARED_SECRET');
  const templatesDir = text(env, 'CONFIGS_DIR') ?? join(REPOSITORY, 'templates/workspaces');
  const config: Config = {
    host,
    port,
    databaseUrl: text(env, 'DATABASE_URL'),
    dataDir: resolve(text(env, 'MOLECULE_DATA_DIR') ?? '.molecule'),
    platformUrl: readPlatformUrl(env, provisioner, host, warnings),
    externalPlatformUrl,
    environment,
    isDevelopment,
    isProduction,
    isSaas: parseSaas(env, warnings),
    orgId: text(env, 'MOLECULE_ORG_ID'),
    orgSlug: text(env, 'MOLECULE_ORG_SLUG'),
    cpUpstreamUrl: readUrl(env, 'CP_UPSTREAM_URL'),
    canvasProxyUrl: readUrl(env, 'CANVAS_PROXY_URL'),
    githubApp: readGithubApp(env, warnings),
    githubWebhookSecret: text(env, 'GITHUB_WEBHOOK_SECRET'),
    discordAppPublicKey: text(env, 'DISCORD_APP_PUBLIC_KEY'),
    adminToken,
    devHatch,
    testTokensEnabled: text(env, 'MOLECULE_ENABLE_TEST_TOKENS') === '1' || (environment !== '' && !isProduction),
    secretsKey: readSecretsKey(env, isProduction),
    previousSecretsKeys: readPreviousSecretsKeys(env),
    provisioner,
    cpProvisionUrl: readControlPlaneUrl(env, provisioner),
    cpSharedSecret,
    cpAdminApiToken: text(env, 'CP_ADMIN_API_TOKEN') ?? cpSharedSecret,
    imagePrefix: text(env, 'MOLECULE_IMAGE_PREFIX') ?? 'molecule/workspace-',
    docker: readDockerSettings(env, warnings),
    kubernetesNamespace: text(env, 'MOLECULE_K8S_NAMESPACE'),
    kubeconfig: text(env, 'KUBECONFIG'),
    provisionConcurrency: parseProvisionConcurrency(env.MOLECULE_PROVISION_CONCURRENCY, warnings),
    provisionTimeoutSeconds:
      Number(text(env, 'PROVISION_TIMEOUT_SECONDS')) > 0 ? Number(text(env, 'PROVISION_TIMEOUT_SECONDS')) : null,
    templatesDir,
    orgTemplatesDir: existsSync(join(templatesDir, 'orgs'))
      ? join(templatesDir, 'orgs')
      : join(REPOSITORY, 'templates/orgs'),
    canvasDir: join(REPOSITORY, 'packages/canvas/dist'),
    corsOrigins: parseOrigins(env, externalPlatformUrl),
    trustedProxies: (text(env, 'TRUSTED_PROXIES') ?? '')
      .split(',')
      .map((proxy) => proxy.trim())
      .filter(Boolean),
    rateLimit: devHatch ? 0 : positiveWhole(env, 'RATE_LIMIT', 600, warnings),
    a2aIdleTimeoutSeconds: positiveWhole(env, 'A2A_IDLE_TIMEOUT_SECONDS', 300, warnings),
    a2aQueueLimitPerCaller: positiveWhole(env, 'A2A_QUEUE_LIMIT_PER_CALLER', 1_000, warnings),
    remoteLivenessStaleSeconds: positiveWhole(env, 'REMOTE_LIVENESS_STALE_AFTER', 90, warnings),
    delegationSweepSeconds: positiveWhole(env, 'DELEGATION_SWEEPER_INTERVAL_S', 300, warnings),
    delegationStuckSeconds: positiveWhole(env, 'DELEGATION_STUCK_THRESHOLD_S', 600, warnings),
    activityRetentionDays: positiveWhole(env, 'ACTIVITY_RETENTION_DAYS', 7, warnings),
    activityCleanupHours: positiveWhole(env, 'ACTIVITY_CLEANUP_INTERVAL_HOURS', 6, warnings),
    agentEmailDomain: text(env, 'MOLECULE_AGENT_EMAIL_DOMAIN') ?? 'agents.molecule.local',
    logLevel: text(env, 'LOG_LEVEL') ?? 'info',
    modelEnvironment: Object.freeze(pickVariables(env, MODEL_VARIABLE)),
    baseEnvironment: Object.freeze(pickVariables(env.PATH === undefined ? process.env : env, HOST_VARIABLE)),
    templateVariables: Object.freeze(pickVariables(env, TEMPLATE_VARIABLE)),
    warnings,
  };
  return Object.freeze(config);
}
