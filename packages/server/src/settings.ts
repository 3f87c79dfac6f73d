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
    fallback: 'process; control-plane with `MOLECULE_ORG_ID`',
    meaning:
      'What starts agents: `process`, `docker`, `kubernetes`, `control-plane`, or `none` when they are started elsewhere.',
  },
  {
    name: 'CP_PROVISION_URL',
    fallback: '`MOLECULE_CP_URL`',
    meaning: 'Control plane that starts the machines of agents.',
  },
  { name: 'MOLECULE_CP_URL', fallback: '–', meaning: 'The same; the control plane itself may change it at a start.' },
  {
    name: 'MOLECULE_CP_SHARED_SECRET',
    fallback: '`PROVISION_SHARED_SECRET`',
    meaning: 'Credential for the control plane.',
  },
  { name: 'PROVISION_SHARED_SECRET', fallback: '–', meaning: 'The same, by its older name.' },
  { name: 'CP_ADMIN_API_TOKEN', fallback: 'the shared secret', meaning: 'Credential for the consoles of machines.' },
  {
    name: 'MOLECULE_IMAGE_PREFIX',
    fallback: 'molecule/workspace-',
    meaning: 'What stands before the runtime in the name of an agent’s image.',
  },
  {
    name: 'MOLECULE_IMAGE_PLATFORM',
    fallback: 'the engine’s own; linux/amd64 on Apple silicon',
    meaning: 'Platform of the images that are pulled.',
  },
  {
    name: 'WORKSPACE_IMAGE_LOCAL_OVERRIDE',
    fallback: '–',
    meaning: '`1` ignores image pins, for images that are built on this machine.',
  },
  {
    name: 'IMAGE_AUTO_REFRESH',
    fallback: 'false',
    meaning: '`true` looks for newer images of runtimes every five minutes and restarts what runs an older one.',
  },
  { name: 'GHCR_USER', fallback: '–', meaning: 'Login at the registry of the images; together with `GHCR_TOKEN`.' },
  { name: 'GHCR_TOKEN', fallback: '–', meaning: 'Its token.' },
  { name: 'DOCKER_HOST', fallback: 'the usual socket', meaning: 'Where the container engine listens.' },
  {
    name: 'MOLECULE_IN_DOCKER',
    fallback: 'found out',
    meaning: '`1` when the platform runs in a container itself: agents in containers are then called by their names.',
  },
  { name: 'TIER2_MEMORY_MB', fallback: '512', meaning: 'Memory of a container of tier 2 (and 1), in MiB.' },
  { name: 'TIER2_CPU_SHARES', fallback: '1024', meaning: 'Its processors; 1024 is one.' },
  { name: 'TIER3_MEMORY_MB', fallback: '2048', meaning: 'Memory of a container of tier 3, in MiB.' },
  { name: 'TIER3_CPU_SHARES', fallback: '2048', meaning: 'Its processors; 1024 is one.' },
  { name: 'TIER4_MEMORY_MB', fallback: '4096', meaning: 'Memory of a container of tier 4, in MiB.' },
  { name: 'TIER4_CPU_SHARES', fallback: '4096', meaning: 'Its processors; 1024 is one.' },
  {
    name: 'MOLECULE_K8S_NAMESPACE',
    fallback: 'the platform’s own',
    meaning: 'Namespace of the agents on the kubernetes backend.',
  },
  {
    name: 'KUBECONFIG',
    fallback: '`~/.kube/config`, else the cluster the platform runs in',
    meaning: 'File that names the cluster of the kubernetes backend.',
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
    fallback: 'http://127.0.0.1:<PORT>; http://host.docker.internal:<PORT> where agents are not processes',
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
  {
    name: 'MOLECULE_ORG_ID',
    fallback: '–',
    meaning: 'Tenant identity of a hosted platform; requests for another tenant get an empty 404.',
  },
  {
    name: 'MOLECULE_ORG_SLUG',
    fallback: '–',
    meaning: 'Name of the tenant that the control plane verifies sessions for.',
  },
  {
    name: 'CP_UPSTREAM_URL',
    fallback: '–',
    meaning: 'Control plane that verifies session cookies and is reached under `/cp/`.',
  },
  {
    name: 'CANVAS_PROXY_URL',
    fallback: '–',
    meaning: 'Serves the canvas from there instead of from the built files; never sees a credential.',
  },
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
    name: 'SECRETS_ENCRYPTION_KEY_PREVIOUS',
    fallback: '–',
    meaning:
      'Keys used before, comma separated: what they wrote is still read, and written again under the current key.',
  },
  {
    name: 'GITHUB_API_URL',
    fallback: '–',
    meaning: 'API that installation tokens come from, such as `https://api.github.com`; together with the next three.',
  },
  { name: 'GITHUB_APP_ID', fallback: '–', meaning: 'GitHub App that agents work as.' },
  { name: 'GITHUB_APP_INSTALLATION_ID', fallback: '–', meaning: 'Its installation.' },
  { name: 'GITHUB_APP_PRIVATE_KEY_FILE', fallback: '–', meaning: 'File with its private key, PEM.' },
  {
    name: 'GITHUB_WEBHOOK_SECRET',
    fallback: '–',
    meaning: 'Signs what GitHub delivers to `/webhooks/github`; without it no delivery is taken.',
  },
  {
    name: 'DISCORD_APP_PUBLIC_KEY',
    fallback: '–',
    meaning: 'Verifies what comes from Discord, for channels without a key of their own.',
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
    name: 'A2A_QUEUE_LIMIT_PER_CALLER',
    fallback: '1000',
    meaning: 'Messages of one caller that may wait for one target; further ones are refused with `queue_full`.',
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
    name: 'PATH, LANG, LC_*, TZ, TMPDIR, *_PROXY, NODE_COMPILE_CACHE',
    fallback: '–',
    meaning: 'All else a child process inherits of the platform’s own environment.',
  },
];
