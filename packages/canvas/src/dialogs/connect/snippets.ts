// Which ways to connect a seat there are, in their order, and what helps with each. Snippets come from the platform; this file
// only picks those it gave and puts a fresh token where the platform left its place free. Pure.

import type { ConnectionBlock } from '@molecule/contract';

const PLACEHOLDER = '<token>';

export interface Way {
  id: string;
  label: string;
  text: string;
  install: string;
  /** Symptom → fix, the likeliest first. */
  errors: readonly (readonly [symptom: string, fix: string])[];
}

type Field = Extract<keyof ConnectionBlock, `${string}_snippet` | 'curl_register_template'>;

const REFUSED = [
  '401 unauthenticated',
  'The token is from before a rotation. Rotate again and paste the new snippet.',
] as const;
const WAITING = [
  'The seat goes back to “Awaiting agent”',
  'Its heartbeats stopped. Keep the program running; a service manager starts it again after a reboot.',
] as const;
const UNREACHABLE = [
  'Connection refused',
  'The address in the snippet has to be reachable from where the agent runs.',
] as const;
const missing = (program: string) =>
  [`${program}: command not found`, 'Install it first, then run the snippet again.'] as const;

const PYTHON = 'Python 3 is all it needs.';

const WAYS: readonly (Omit<Way, 'text'> & { field: Field })[] = [
  {
    id: 'mcp',
    label: 'Universal MCP',
    field: 'universal_mcp_snippet',
    install: `Run it in the folder the agent works in. ${PYTHON} Put the command of your agent in place of cat.`,
    errors: [REFUSED, WAITING, UNREACHABLE],
  },
  {
    id: 'sdk',
    label: 'SDK',
    field: 'python_snippet',
    install: `Save it as a file and run it. ${PYTHON} Your agent goes into answer().`,
    errors: [REFUSED, WAITING, UNREACHABLE],
  },
  {
    id: 'claude-code',
    label: 'Claude Code',
    field: 'claude_code_channel_snippet',
    install: 'Run it in the folder Claude Code works in, after signing in to it once.',
    errors: [missing('claude'), REFUSED, WAITING],
  },
  {
    id: 'hermes',
    label: 'Hermes',
    field: 'hermes_channel_snippet',
    install: 'Run it where Hermes is installed and configured.',
    errors: [missing('hermes'), REFUSED, WAITING],
  },
  {
    id: 'codex',
    label: 'Codex',
    field: 'codex_snippet',
    install: 'Run it in the folder Codex works in, after signing in to it once.',
    errors: [missing('codex'), REFUSED, WAITING],
  },
  {
    id: 'openclaw',
    label: 'OpenClaw',
    field: 'openclaw_snippet',
    install: 'Run it where OpenClaw is installed and configured.',
    errors: [missing('openclaw'), REFUSED, WAITING],
  },
  {
    id: 'curl',
    label: 'curl',
    field: 'curl_register_template',
    install: 'Anywhere with curl. It registers once; something else has to beat and to fetch the messages.',
    errors: [REFUSED, WAITING, UNREACHABLE],
  },
];

/** The ways the platform gave a snippet for; an absent one has no tab. */
export function listWays(block: ConnectionBlock): Way[] {
  return WAYS.flatMap(({ field, ...way }) => {
    const snippet = block[field];
    if (!snippet) return [];
    return [{ ...way, text: block.auth_token ? snippet.replaceAll(PLACEHOLDER, block.auth_token) : snippet }];
  });
}

/** Name and value, for whoever writes a client of their own; the token is apart, it is masked. */
export function listFields(block: ConnectionBlock): [label: string, value: string][] {
  return [
    ['Workspace id', block.workspace_id],
    ['Platform', block.platform_url],
    ['Register at', block.registry_endpoint],
    ['Beat at', block.heartbeat_endpoint],
  ];
}
