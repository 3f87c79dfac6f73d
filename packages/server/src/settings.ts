// Every environment variable the platform reads, for people: name, default, meaning. `config.ts` parses them; a test keeps the two
// lists alike and `npm run generate` writes docs/reference/config.md from this one.

export interface Setting {
  readonly name: string;
  readonly fallback: string;
  readonly meaning: string;
}

export const SETTINGS: readonly Setting[] = [
  { name: 'HOST', fallback: '127.0.0.1', meaning: 'Address to listen on. Anything but loopback needs `ADMIN_TOKEN`.' },
  { name: 'PORT', fallback: '8080', meaning: 'Port to listen on; 0 takes a free one.' },
  {
    name: 'DATABASE_URL',
    fallback: 'embedded PGlite',
    meaning: 'PostgreSQL 15 or newer. Unset: the database lives in the data directory.',
  },
  {
    name: 'MOLECULE_DATA_DIR',
    fallback: './.molecule',
    meaning: 'Embedded database, token and key files, agents of the process backend.',
  },
  {
    name: 'MOLECULE_PROVISIONER',
    fallback: 'process',
    meaning: 'What starts agents: `process`, or `none` when they are started elsewhere.',
  },
  {
    name: 'MOLECULE_PROVISION_CONCURRENCY',
    fallback: '3',
    meaning: 'Agents that start at the same time; 0 is unlimited.',
  },
  {
    name: 'PROVISION_TIMEOUT_SECONDS',
    fallback: '600, hermes 1800',
    meaning: 'How long an agent may take to come online.',
  },
  {
    name: 'PLATFORM_URL',
    fallback: 'http://127.0.0.1:<PORT>',
    meaning: 'Where agents reach the platform.',
  },
  {
    name: 'EXTERNAL_PLATFORM_URL',
    fallback: 'as the request says',
    meaning: 'Where people and laptops reach it; used in sign-in links and connection blocks.',
  },
  {
    name: 'CONFIGS_DIR',
    fallback: 'templates/workspaces',
    meaning: 'Workspace templates; `orgs/` below it holds organisation templates.',
  },
  {
    name: 'MOLECULE_ENV',
    fallback: '–',
    meaning:
      '`development` without `ADMIN_TOKEN` opens the dev hatch on loopback; `production` refuses to start without token and key.',
  },
  {
    name: 'MOLECULE_DEPLOY_MODE',
    fallback: '–',
    meaning: '`saas` lets agents live in private networks; `self-hosted` is strict.',
  },
  { name: 'MOLECULE_ORG_ID', fallback: '–', meaning: 'Tenant identity of a hosted platform.' },
  {
    name: 'ADMIN_TOKEN',
    fallback: 'generated into the data directory',
    meaning: 'The break-glass credential of the whole tenant.',
  },
  {
    name: 'SECRETS_ENCRYPTION_KEY',
    fallback: 'generated into the data directory',
    meaning: '32 bytes, raw or base64, that encrypt secrets at rest.',
  },
  {
    name: 'MOLECULE_ENABLE_TEST_TOKENS',
    fallback: '–',
    meaning:
      '`1` mounts the route that mints test tokens. It is also mounted in every named environment but production.',
  },
  {
    name: 'CORS_ORIGINS',
    fallback: 'http://localhost:3000,http://localhost:3001',
    meaning: 'Other origins whose pages may use the API; the own origin always may.',
  },
  {
    name: 'TRUSTED_PROXIES',
    fallback: '–',
    meaning: 'Addresses whose `X-Forwarded-*` headers count.',
  },
  { name: 'RATE_LIMIT', fallback: '600', meaning: 'Requests per minute and client.' },
  {
    name: 'A2A_IDLE_TIMEOUT_SECONDS',
    fallback: '300',
    meaning: 'Silence of a target after which a call is given up and queued.',
  },
  {
    name: 'REMOTE_LIVENESS_STALE_AFTER',
    fallback: '90',
    meaning: 'Seconds without a heartbeat after which an external agent counts as gone.',
  },
  { name: 'DELEGATION_SWEEPER_INTERVAL_S', fallback: '300', meaning: 'How often delegations are checked.' },
  {
    name: 'DELEGATION_STUCK_THRESHOLD_S',
    fallback: '600',
    meaning: 'Silence of a callee after which its delegation is stuck.',
  },
  { name: 'ACTIVITY_RETENTION_DAYS', fallback: '7', meaning: 'How long activity is kept.' },
  { name: 'ACTIVITY_CLEANUP_INTERVAL_HOURS', fallback: '6', meaning: 'How often older activity is deleted.' },
  {
    name: 'MOLECULE_AGENT_EMAIL_DOMAIN',
    fallback: 'agents.molecule.local',
    meaning: 'Domain of the git identities of agents.',
  },
  {
    name: 'LOG_LEVEL',
    fallback: 'info',
    meaning: '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`; structured lines on stderr.',
  },
];

/** Families of variables that are handed to agents as they are. */
export const PASSED_ON: readonly Setting[] = [
  {
    name: '<PROVIDER>_API_KEY, <PROVIDER>_BASE_URL',
    fallback: '–',
    meaning: 'Connects a model: with any of them set, `default` seats run on the `ai-sdk` runtime instead of `echo`.',
  },
  {
    name: 'PATH, LANG, LC_*, TZ, TMPDIR, *_PROXY',
    fallback: '–',
    meaning: 'All else a child process inherits of the platform’s own environment.',
  },
];
