// Every kind of channel there is. One more is one more line here.

import type { Clock } from '../../platform/clock.ts';
import type { Outbound } from '../../platform/outbound/index.ts';
import type { ChannelAdapter } from './adapter.ts';
import { createApiCaller } from './api.ts';
import { createDiscordAdapter, type DiscordHosts } from './discord.ts';
import { createLarkAdapter, type LarkHosts } from './lark.ts';
import { createSlackAdapter, type SlackHosts } from './slack.ts';
import { createTelegramAdapter, type TelegramHosts } from './telegram.ts';

/** Where the APIs of channels are. */
export interface ChannelHosts extends DiscordHosts, LarkHosts, SlackHosts, TelegramHosts {}

export const CHANNEL_HOSTS: ChannelHosts = {
  discordHooks: 'https://discord.com/api/webhooks/',
  larkHooks: ['https://open.feishu.cn/open-apis/bot/v2/hook/', 'https://open.larksuite.com/open-apis/bot/v2/hook/'],
  slackApi: 'https://slack.com/api/',
  slackHooks: 'https://hooks.slack.com/',
  telegramApi: 'https://api.telegram.org/',
};

export interface AdapterDeps {
  outbound: Outbound;
  clock: Clock;
  hosts: ChannelHosts;
  /** Verifies interactions of Discord for channels without a key of their own. */
  discordKey: string | null;
}

export interface Adapters {
  /** By the name people see. */
  all: readonly ChannelAdapter[];
  find(type: string): ChannelAdapter | null;
}

export function createAdapters({ outbound, clock, hosts, discordKey }: AdapterDeps): Adapters {
  const callApi = createApiCaller(outbound);
  const all = [
    createDiscordAdapter(callApi, hosts, discordKey),
    createLarkAdapter(callApi, hosts),
    createSlackAdapter(callApi, hosts, clock),
    createTelegramAdapter(callApi, hosts),
  ].sort((a, b) => a.displayName.localeCompare(b.displayName));
  return { all, find: (type) => all.find((adapter) => adapter.type === type) ?? null };
}
