// Registration (chapter 40 §5): retried until it works, credentials kept, never in the way of serving.

import type { Credentials } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import type { PlatformClient } from './platform-client.ts';
import type { Timers } from './timers.ts';

const DELAYS_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

export interface RegisterDeps {
  client: PlatformClient;
  credentials: Credentials;
  timers: Timers;
  log: Logger;
  url(): string;
  card(): object;
  signal: AbortSignal;
}

interface RegisterReply {
  delivery_mode?: string;
  auth_token?: string;
  platform_inbound_secret?: string;
}

export function createRegistration({ client, credentials, timers, log, url, card, signal }: RegisterDeps) {
  async function send() {
    return await client.request('POST', '/registry/register', {
      body: { id: client.workspaceId, url: url(), agent_card: card() },
      signal,
    });
  }

  /** One attempt; a refused token is read from disk again and tried once more. */
  async function attempt(): Promise<boolean> {
    let response = await send();
    if (response.status === 401 || response.status === 403) {
      credentials.refresh();
      response = await send();
    }
    if (response.status !== 200) {
      log.warn({ status: response.status, body: response.body }, 'the platform refused the registration');
      return false;
    }
    const reply = (response.body ?? {}) as RegisterReply;
    if (typeof reply.auth_token === 'string') credentials.saveAuthToken(reply.auth_token);
    if (typeof reply.platform_inbound_secret === 'string') credentials.saveInboundSecret(reply.platform_inbound_secret);
    log.info({ delivery_mode: reply.delivery_mode }, 'registered');
    return true;
  }

  return {
    /** Until it works or the agent stops: 1, 2, 4, 8, 15, 30 s, then every 30 s. */
    async registerUntilDone(): Promise<void> {
      for (let tries = 0; !signal.aborted; tries += 1) {
        try {
          if (await attempt()) return;
        } catch (error) {
          if (!signal.aborted) log.warn({ err: error }, 'the platform cannot be reached; registering again later');
        }
        await timers.sleep(DELAYS_MS[Math.min(tries, DELAYS_MS.length - 1)] ?? 30_000, signal);
      }
    },
  };
}
