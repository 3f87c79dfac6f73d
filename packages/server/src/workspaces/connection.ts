// What the owner of an external agent needs to connect it (chapter 10 §2.1, chapter 20 §12.1). One builder for every route
// that shows it. The programs behind the snippets are in bridge.ts; nothing here reads or makes a token.

import type { ConnectionBlock } from '@molecule/contract';
import { BRIDGE, bridgeCommand, quoteShell } from './bridge.ts';

export interface ConnectionInput {
  workspaceId: string;
  /** Becomes the name on the agent's card. */
  name: string;
  platformUrl: string;
  /** Empty when the token is not shown again. */
  token: string;
}

/** Stands in the snippets where the token belongs; clients stamp theirs over it. */
const TOKEN_PLACEHOLDER = '<token>';

const CURL_COMMENT = `# Registers the seat once, in poll mode. It goes back to waiting unless something beats to /registry/heartbeat
# with the same token at least once a minute; the python snippet does, and answers messages too.`;

const PYTHON_COMMENT = `# Connects the seat with nothing but Python 3: registers in poll mode, beats every 20 seconds, fetches messages over
# HTTP and answers people and delegated tasks with what answer() returns. Run it again at any time; Ctrl-C ends it.`;

/** The snippets run without it, since it is in no public registry. */
const CONNECT_COMMENT =
  '# Where the command line of Molecule is installed, molecule connect does the same and keeps a session for each conversation.';

const MCP_COMMENT = `# Any agent that is a command: it gets each message on its standard input, and what it prints is the answer. Put yours
# in place of cat, which says back what it hears. This is no MCP server: messages are fetched over HTTP by Python 3.
${CONNECT_COMMENT}`;

const bridgedBy = (product: string) =>
  `# ${product} answers the messages of this seat, each in a run of its own, with the rights it has in this folder.
# It is no plugin: a small Python 3 program registers the seat, beats and fetches messages over HTTP. Ctrl-C ends it.
${CONNECT_COMMENT}`;

export function buildConnection({ workspaceId, name, platformUrl, token }: ConnectionInput): ConnectionBlock {
  const base = platformUrl.replace(/\/+$/, '');
  const secret = token || TOKEN_PLACEHOLDER;
  const variables = [
    `PLATFORM_URL=${quoteShell(base)}`,
    `WORKSPACE_ID=${quoteShell(workspaceId)}`,
    `MOLECULE_WORKSPACE_TOKEN=${quoteShell(secret)}`,
  ];
  const registration = JSON.stringify({ id: workspaceId, delivery_mode: 'poll', agent_card: { name } });
  const command = (comment: string, words: string[], install?: { program: string; by: string }) =>
    bridgeCommand({ comment, variables, name, words, ...(install ? { install } : {}) });
  return {
    workspace_id: workspaceId,
    platform_url: base,
    auth_token: token,
    registry_endpoint: `${base}/registry/register`,
    heartbeat_endpoint: `${base}/registry/heartbeat`,
    curl_register_template: `${CURL_COMMENT}
curl -fsS -X POST ${quoteShell(`${base}/registry/register`)} \\
  -H ${quoteShell(`authorization: Bearer ${secret}`)} \\
  -H 'content-type: application/json' \\
  -d ${quoteShell(registration)}
`,
    python_snippet: `${PYTHON_COMMENT}
PLATFORM_URL = ${JSON.stringify(base)}
WORKSPACE_ID = ${JSON.stringify(workspaceId)}
TOKEN = ${JSON.stringify(secret)}
NAME = ${JSON.stringify(name)}


def answer(text):
    return "You said: " + text  # your agent goes here

${BRIDGE}`,
    universal_mcp_snippet: command(MCP_COMMENT, ['cat']),
    claude_code_channel_snippet: command(bridgedBy('Claude Code'), ['claude', '-p'], {
      program: 'claude',
      by: 'npm install -g @anthropic-ai/claude-code',
    }),
    hermes_channel_snippet: command(bridgedBy('Hermes'), ['hermes', 'chat', '-Q', '--query={text}'], {
      program: 'hermes',
      by: 'curl -fsSL https://hermes-agent.nousresearch.com/install.sh | bash',
    }),
    codex_snippet: command(bridgedBy('Codex'), ['codex', 'exec', '--skip-git-repo-check', '-'], {
      program: 'codex',
      by: 'npm install -g @openai/codex',
    }),
    openclaw_snippet: command(
      bridgedBy('OpenClaw'),
      ['openclaw', 'agent', `--session-id=molecule-${workspaceId}`, '--message={text}'],
      { program: 'openclaw', by: 'npm install -g openclaw' },
    ),
  };
}
