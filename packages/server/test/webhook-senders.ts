// Those who send webhooks, played at the edge of the process: they sign as Slack and GitHub do, and Slack's API takes what is said.

import { createHmac } from 'node:crypto';
import { type Peer, type ReceivedCall, type Responder, replyStatus, startPeer } from '@molecule/testkit';

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export async function post(
  url: string,
  body: string,
  headers: Record<string, string> = {},
  type = 'application/json',
): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': type, ...headers }, body });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

export const SLACK_SECRET = 'slack-signing-secret-0123456789';
export const SLACK_TOKEN = 'xoxb-slack-token-0123456789-abcdef';

export function signSlack(body: string, secret = SLACK_SECRET, at = Date.now()): Record<string, string> {
  const seconds = String(Math.floor(at / 1000));
  const mac = createHmac('sha256', secret).update(`v0:${seconds}:${body}`).digest('hex');
  return { 'x-slack-request-timestamp': seconds, 'x-slack-signature': `v0=${mac}` };
}

let messages = 0;
/** A message in a Slack channel, each at a time of its own. */
export function slackMessage(text: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  messages += 1;
  const ts = `1760000000.${String(messages).padStart(6, '0')}`;
  const event = { type: 'message', channel: 'C1', user: 'U1', text, ts, ...more };
  return { type: 'event_callback', team_id: 'T1', event_id: `Ev${messages}`, event };
}

export async function sendSlack(url: string, payload: unknown, secret = SLACK_SECRET): Promise<Answer> {
  const body = JSON.stringify(payload);
  return await post(`${url}/webhooks/slack`, body, signSlack(body, secret));
}

export interface SlackApi extends Peer {
  hosts: { slackApi: string; slackHooks: string };
  /** What was said in chats, in order. */
  said(): { channel: string; text: string; [field: string]: unknown }[];
}

export async function startSlackApi(respond: Responder = replyStatus(200, { ok: true })): Promise<SlackApi> {
  const peer = await startPeer(respond);
  return {
    ...peer,
    hosts: { slackApi: `${peer.url}/api/`, slackHooks: `${peer.url}/hooks/` },
    said: () => peer.calls.map(({ body }: ReceivedCall) => body as { channel: string; text: string }),
  };
}

export const GITHUB_SECRET = 'github-webhook-secret-0123456789';

export interface Delivery {
  event: string;
  payload: Record<string, unknown>;
  id?: string;
  secret?: string;
  workspaceId?: string;
}

let deliveries = 0;
export async function sendGithub(
  url: string,
  { event, payload, secret = GITHUB_SECRET, workspaceId, ...rest }: Delivery,
): Promise<Answer> {
  const body = JSON.stringify(payload);
  deliveries += 1;
  return await post(`${url}/webhooks/github${workspaceId ? `/${workspaceId}` : ''}`, body, {
    'x-github-event': event,
    'x-github-delivery': rest.id ?? `delivery-${deliveries}`,
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  });
}

/** A comment on an issue. */
export const githubComment = (text: string) => ({
  action: 'created',
  issue: { number: 12, title: 'Broken build' },
  comment: { body: text, html_url: 'https://github.example/o/r/issues/12#c1', user: { login: 'octocat' } },
  repository: { full_name: 'o/r' },
  sender: { login: 'octocat' },
});
