// The platform's settings: the environment, parsed once and frozen. The only place of the server that reads process.env.
// Every variable stands in chapter 10 §10 or chapter 20 §13.

import { existsSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';

export const PROVISIONERS = ['process', 'none'] as const;
export type ProvisionerName = (typeof PROVISIONERS)[number];

/** A setting nobody can start with; `hint` is the line that mends it. */
export class ConfigError extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'ConfigError';
    this.hint = hint;
  }
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
  /** From the environment; the generated one lives in the data directory (auth). */
  adminToken: string | null;
  /** `ADMIN_TOKEN` empty and a development environment: bearer-less callers act as administrators. */
  devHatch: boolean;
  testTokensEnabled: boolean;
  secretsKey: string | null;
  provisioner: ProvisionerName;
  provisionConcurrency: number;
  provisionTimeoutSeconds: number | null;
  templatesDir: string;
  orgTemplatesDir: string;
  canvasDir: string;
  corsOrigins: string[];
  trustedProxies: string[];
  /** Requests per minute and client; 0 = unlimited. */
  rateLimit: number;
  a2aIdleTimeoutSeconds: number;
  remoteLivenessStaleSeconds: number;
  delegationSweepSeconds: number;
  delegationStuckSeconds: number;
  activityRetentionDays: number;
  activityCleanupHours: number;
  agentEmailDomain: string;
  logLevel: string;
  /** Model keys found in the environment: handed to agents of the process backend like global secrets. */
  modelEnvironment: Readonly<Record<string, string>>;
  /** Path, locale, time zone, temporary directory and proxies of this process: all that a child process inherits. */
  baseEnvironment: Readonly<Record<string, string>>;
  /** What `${VAR}` may stand for in the `workspace_dir` of an organisation template, besides the template's own `.env`. */
  templateVariables: Readonly<Record<string, string>>;
  /** Settings that were unusable and what was used instead; logged at boot. */
  warnings: string[];
}

const MODEL_VARIABLE =
  /^(ANTHROPIC|OPENAI|OPENROUTER|GROQ|CEREBRAS|QIANFAN|GOOGLE_GENAI|GEMINI|OLLAMA|XAI|DEEPSEEK|MISTRAL|MINIMAX|GLM|KIMI|QWEN)_(API_KEY|BASE_URL)$/;
/** Chapter 10 §7.5: the environment of a workload is built from scratch out of these (and the certificates a proxy needs). */
const HOST_VARIABLE =
  /^(PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|HTTP_PROXY|HTTPS_PROXY|ALL_PROXY|NO_PROXY|http_proxy|https_proxy|all_proxy|no_proxy|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS)$/;
/** Few on purpose: an organisation token may import, and must not read the platform's secrets this way. */
const TEMPLATE_VARIABLE = /^(HOME|USER|WORKSPACE_DIR)$/;
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1', '[::1]']);

export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.has(host) || (isIPv4(host) && host.startsWith('127.'));
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Unset and blank are the same. */
function text(env: Environment, name: string): string | null {
  const value = env[name]?.trim();
  return value ? value : null;
}

function positiveSeconds(env: Environment, name: string, fallback: number, warnings: string[]): number {
  const value = text(env, name);
  if (value === null) return fallback;
  if (/^\d+$/.test(value) && Number(value) > 0) return Number(value);
  warnings.push(`${name}=${value} is not a positive whole number; using ${fallback}`);
  return fallback;
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

function parseOrigins(env: Environment): string[] {
  const origins = (text(env, 'CORS_ORIGINS') ?? 'http://localhost:3000,http://localhost:3001')
    .split(',')
    .map((origin) => origin.trim())
    .filter(Boolean);
  if (origins.includes('*'))
    throw new ConfigError(
      'CORS_ORIGINS may not be *: cookies travel with these requests',
      'CORS_ORIGINS=https://canvas.example npm start',
    );
  return origins;
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
 * @param env the process environment, or a test's own.
 * @throws ConfigError for a setting that cannot be started with.
 */
export function readConfig(env: Environment = process.env): Config {
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
  const templatesDir = text(env, 'CONFIGS_DIR') ?? join(REPOSITORY, 'templates/workspaces');
  const config: Config = {
    host,
    port,
    databaseUrl: text(env, 'DATABASE_URL'),
    dataDir: resolve(text(env, 'MOLECULE_DATA_DIR') ?? '.molecule'),
    platformUrl: (text(env, 'PLATFORM_URL') ?? `http://127.0.0.1:${port}`).replace(/\/+$/, ''),
    externalPlatformUrl: text(env, 'EXTERNAL_PLATFORM_URL')?.replace(/\/+$/, '') ?? null,
    environment,
    isDevelopment,
    isProduction,
    isSaas: parseSaas(env, warnings),
    adminToken,
    devHatch,
    testTokensEnabled: text(env, 'MOLECULE_ENABLE_TEST_TOKENS') === '1' || (environment !== '' && !isProduction),
    secretsKey: readSecretsKey(env, isProduction),
    provisioner: parseProvisioner(env),
    provisionConcurrency: parseProvisionConcurrency(env.MOLECULE_PROVISION_CONCURRENCY, warnings),
    provisionTimeoutSeconds:
      Number(text(env, 'PROVISION_TIMEOUT_SECONDS')) > 0 ? Number(text(env, 'PROVISION_TIMEOUT_SECONDS')) : null,
    templatesDir,
    orgTemplatesDir: existsSync(join(templatesDir, 'orgs'))
      ? join(templatesDir, 'orgs')
      : join(REPOSITORY, 'templates/orgs'),
    canvasDir: join(REPOSITORY, 'packages/canvas/dist'),
    corsOrigins: parseOrigins(env),
    trustedProxies: (text(env, 'TRUSTED_PROXIES') ?? '')
      .split(',')
      .map((proxy) => proxy.trim())
      .filter(Boolean),
    rateLimit: devHatch ? 0 : positiveSeconds(env, 'RATE_LIMIT', 600, warnings),
    a2aIdleTimeoutSeconds: positiveSeconds(env, 'A2A_IDLE_TIMEOUT_SECONDS', 300, warnings),
    remoteLivenessStaleSeconds: positiveSeconds(env, 'REMOTE_LIVENESS_STALE_AFTER', 90, warnings),
    delegationSweepSeconds: positiveSeconds(env, 'DELEGATION_SWEEPER_INTERVAL_S', 300, warnings),
    delegationStuckSeconds: positiveSeconds(env, 'DELEGATION_STUCK_THRESHOLD_S', 600, warnings),
    activityRetentionDays: positiveSeconds(env, 'ACTIVITY_RETENTION_DAYS', 7, warnings),
    activityCleanupHours: positiveSeconds(env, 'ACTIVITY_CLEANUP_INTERVAL_HOURS', 6, warnings),
    agentEmailDomain: text(env, 'MOLECULE_AGENT_EMAIL_DOMAIN') ?? 'agents.molecule.local',
    logLevel: text(env, 'LOG_LEVEL') ?? 'info',
    modelEnvironment: Object.freeze(pickVariables(env, MODEL_VARIABLE)),
    baseEnvironment: Object.freeze(pickVariables(env.PATH === undefined ? process.env : env, HOST_VARIABLE)),
    templateVariables: Object.freeze(pickVariables(env, TEMPLATE_VARIABLE)),
    warnings,
  };
  return Object.freeze(config);
}
