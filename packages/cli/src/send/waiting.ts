// Waiting for what the platform announces: an answer that comes later, an agent that comes back. An event only says when to look;
// what is true is read from the platform, so nothing is missed while the connection was away.

import { ApiError, type Client, openEventStream } from '@molecule/contract';
import type { Target } from '../environment.ts';
import { CommandError, EXIT } from '../failure.ts';
import { logsCommand } from '../shell.ts';
import { type Message, type Outcome, readReply } from './delivery.ts';
import { isObject } from './reply.ts';

interface Wait {
  target: Target;
  workspaceId: string;
  limitMs: number;
}

/** The platform may be restarting: what is stored survives that. */
const mayReturn = (error: unknown) => error instanceof ApiError && (error.status === 0 || error.status >= 500);

/** The first value `look` finds that is not null, else null. Looks when connected, after every event of the workspace, and at the limit. */
export async function lookOnEvents<T>(
  { target, workspaceId, limitMs }: Wait,
  look: () => Promise<T | null>,
): Promise<T | null> {
  const { promise, resolve, reject } = Promise.withResolvers<T | null>();
  let isLooking = false;
  let isStale = false;

  async function lookAgain(): Promise<void> {
    isStale = true;
    if (isLooking) return;
    isLooking = true;
    while (isStale) {
      isStale = false;
      try {
        const found = await look();
        if (found !== null) resolve(found);
      } catch (error) {
        if (!mayReturn(error)) reject(error);
      }
    }
    isLooking = false;
  }

  const timer = setTimeout(() => void lookAgain().then(() => resolve(null)), Math.max(limitMs, 0));
  const stream = openEventStream({
    baseUrl: target.url,
    ...(target.token === null ? {} : { token: target.token }),
    onFrame: (frame) => {
      if (frame.workspace_id === workspaceId) void lookAgain();
    },
    onState: (state) => {
      if (state === 'live') void lookAgain();
    },
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stream.close();
  }
}

type ActivityRows = Awaited<ReturnType<Client['listActivity']>>;

function messageIdOf({ request_body: body }: ActivityRows[number]): unknown {
  const params = isObject(body) ? body.params : null;
  const message = isObject(params) ? params.message : null;
  return isObject(message) ? message.messageId : null;
}

/** Null while the message waits or is worked on. @throws CommandError when it was given up. */
export async function findQueuedAnswer(client: Client, message: Message, queueId: string): Promise<Outcome | null> {
  const { workspace, messageId } = message;
  const item = await client.getQueueItem({ params: { id: workspace.id, queueId } });
  if (item.status === 'queued' || item.status === 'dispatched') return null;
  if (item.status !== 'completed')
    throw new CommandError(
      `the message to ${workspace.name} was given up: ${item.last_error ?? item.status}`,
      `${logsCommand(workspace)}, then send it again`,
      EXIT.failed,
      `queue_${item.status}`,
    );
  const rows = await client.listActivity({ params: { id: workspace.id }, query: { type: 'a2a_receive' } });
  const row = rows.find((one) => messageIdOf(one) === messageId && isObject(one.response_body));
  return row ? readReply(row.response_body, message) : { is: 'open', why: 'it was handed over without an answer' };
}

const answeredRow = ({ metadata }: ActivityRows[number]) => (isObject(metadata) ? metadata.in_reply_to : undefined);

/** An agent that polls answers with a message of its own: the one that names ours, else the first after it that names none. */
export async function findInboxAnswer(client: Client, message: Message, activityId: string): Promise<Outcome | null> {
  const rows = await client.listActivity({ params: { id: message.workspace.id }, query: { since_id: activityId } });
  const notices = rows.filter(({ method }) => method === 'notify');
  const row =
    notices.find((one) => answeredRow(one) === activityId) ?? notices.find((one) => answeredRow(one) === undefined);
  if (!row || !isObject(row.response_body)) return null;
  const { result, parts } = row.response_body;
  return readReply(
    { result: { parts: [{ kind: 'text', text: String(result ?? '') }, ...((parts as []) ?? [])] } },
    message,
  );
}

export async function isOnline(client: Client, id: string): Promise<true | null> {
  return (await client.getWorkspace({ params: { id } })).status === 'online' || null;
}
