// `molecule send <workspace> "text"`: one message as the person, the reply as text.

import { randomUUID } from 'node:crypto';
import { readError } from '@molecule/contract';
import { printJson } from '../output.ts';
import { findNamedWorkspace } from '../workspace.ts';
import { defineCommand } from './command.ts';

const REPLY_TIMEOUT_MS = 600_000;

interface Part {
  kind?: string;
  type?: string;
  text?: string;
}
interface Carrier {
  parts?: Part[];
  status?: { message?: Carrier };
  artifacts?: Carrier[];
}

/** All text parts of a message or task, artifacts included, joined with newlines. */
export function replyText(result: Carrier | undefined): string {
  if (!result) return '';
  const own = (result.parts ?? []).filter((part) => (part.kind ?? part.type) === 'text').map((part) => part.text ?? '');
  const artifacts = (result.artifacts ?? []).map(replyText);
  const status = own.length === 0 && artifacts.length === 0 ? [replyText(result.status?.message)] : [];
  return [...own, ...artifacts, ...status].filter(Boolean).join('\n');
}

export const sendCommand = defineCommand(
  'send',
  'send a message to a workspace and print its reply',
  async ({ client, flags }, [wanted = '', text = '']) => {
    const workspace = await findNamedWorkspace(client, wanted);
    const message = { role: 'user', messageId: randomUUID(), parts: [{ kind: 'text', text }] };
    const response = await client.raw('POST', `/workspaces/${workspace.id}/a2a`, {
      body: JSON.stringify({ jsonrpc: '2.0', id: randomUUID(), method: 'message/send', params: { message } }),
      headers: { 'content-type': 'application/json' },
      timeoutMs: REPLY_TIMEOUT_MS,
    });
    if (!response.ok) throw await readError(response);
    const reply = (await response.json()) as {
      queued?: boolean;
      status?: string;
      queue_id?: string;
      result?: Carrier;
      error?: { message: string };
    };
    if (flags.json) return printJson(reply);
    if (reply.error) throw new Error(reply.error.message);
    if (reply.queued || reply.status === 'queued')
      return void process.stdout.write(
        `Accepted: ${workspace.name} is busy and answers later; see the canvas or molecule logs.\n`,
      );
    process.stdout.write(`${replyText(reply.result)}\n`);
  },
)
  .argument('<workspace>', 'name or id')
  .argument('<text>', 'what to say');
