// What a kind of channel must bring along (chapter 20 §9). An adapter knows its channel's words, and nothing of workspaces, storage
// or delivery.

import type { ChannelField } from '@molecule/contract';

/** Decrypted; fields that are not set are absent. */
export type ChannelConfig = Readonly<Record<string, string>>;

/** A webhook request as it came in. */
export interface WebhookRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface InboundMessage {
  chatId: string;
  userId: string;
  /** What the channel calls the sender; may be the id. */
  username: string;
  text: string;
  /** Names the message among all of its kind of channel: the same for a repeat, another for another chat's. */
  messageId: string;
  /** Where in the chat the answer belongs. */
  thread: string | null;
  /** Further facts for the agent. */
  extra: Record<string, unknown>;
}

export type Inbound =
  /** Answered with `reply` at once; nobody is told. */
  | { kind: 'handshake'; reply: Record<string, unknown> }
  /** Nothing that anybody said; `chatId` null when it is of no chat. */
  | { kind: 'ignored'; chatId: string | null }
  /** Answered in the chat without an agent, once for each `key`; `forgets`: what was said before is not brought along any more. */
  | { kind: 'local'; chatId: string; key: string; thread: string | null; reply: string; forgets: boolean }
  /** The platform is not in this chat any more. */
  | { kind: 'gone'; chatId: string }
  | { kind: 'message'; message: InboundMessage };

/** Updates that were fetched, and where to go on once they are stored. */
export interface Fetched {
  inbound: Inbound[];
  next: number;
}

/** For channels that are asked instead of telling. */
export interface Polling {
  /** Names whom to ask; channels of one key are asked once. Null: this channel is told by webhook. */
  keyOf(config: ChannelConfig): string | null;
  /** Waits for updates for a while. @param from as the last answer said; 0 at first. @throws ChannelSendError */
  fetch(config: ChannelConfig, from: number, signal: AbortSignal): Promise<Fetched>;
}

export interface Discovered {
  bot_username: string;
  chats: { chat_id: string; name: string; type: string }[];
  can_read_all_group_messages: boolean;
  privacy_warning: string;
  hint: string;
}

export interface ChannelAdapter {
  readonly type: string;
  readonly displayName: string;
  readonly fields: readonly ChannelField[];
  /** What is wrong with it; null when it can be used. */
  findFault(config: ChannelConfig): { field: string; message: string } | null;
  /** Where a message to the whole channel goes; `''` where the channel's own address says it. */
  destinations(config: ChannelConfig): string[];
  /** Chats whose messages are for this channel; empty: it does not say. Reads no secret. */
  chatIds(config: ChannelConfig): string[];
  /** In pieces the channel takes. */
  split(text: string): string[];
  /** @throws ChannelSendError */
  send(config: ChannelConfig, to: { chatId: string; thread: string | null }, part: string): Promise<void>;
  /** Whether the request is signed as `config` says; without what verifies it, it is not. */
  isSigned(request: WebhookRequest, config: ChannelConfig): boolean;
  /** @throws invalid_json, invalid_request */
  parse(request: WebhookRequest): Inbound;
  polling?: Polling;
  /** The field of `findFault` for a bad token is `bot_token`. @throws ChannelSendError */
  discover?(config: ChannelConfig): Promise<Discovered>;
  /** Shows that somebody is at it. @throws ChannelSendError */
  sendTyping?(config: ChannelConfig, to: { chatId: string; thread: string | null }): Promise<void>;
  /** What the channel wants to be told besides the status; for those that show their user an answer at once. */
  acknowledge?(request: WebhookRequest, status: WebhookStatus): Record<string, unknown>;
}

export type WebhookStatus = 'accepted' | 'ignored' | 'no_channel' | 'unknown_agent';

/** A sender who is not on the list is not told so. */
export const ACKNOWLEDGED: Readonly<Record<WebhookStatus, string>> = {
  accepted: 'Received.',
  ignored: 'Received.',
  no_channel: 'No agent is connected here.',
  unknown_agent: 'There is no agent of that name here.',
};

/** `chat_id`, `channel_id`: one, or several with commas. */
export const listIds = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter(Boolean);

/** The first value of a header. */
export function headerOf({ headers }: WebhookRequest, name: string): string {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
}
