// Registration (chapter 40 §5): retried until it works, credentials kept, never in the way of serving.

import type { Credentials } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import { isDeleted } from './deletion.ts';
import type { PlatformClient, PlatformResponse } from './platform-client.ts';
import type { Timers } from './timers.ts';

const DELAYS_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const HOPELESS = new Set([400, 401, 403, 404]);
/** From here on a refusal is an error in the log, not a warning. */
const PATIENT_TRIES = 3;

export type DeliveryMode = 'push' | 'poll';

export interface RegisterDeps {
  client: PlatformClient;
  credentials: Credentials;
  timers: Timers;
  log: Logger;
  url(): string;
  card(): object;
  signal: AbortSignal;
  /** Only where it is to be set; else the platform decides (chapter 10 §3.3). */
  deliveryMode?: DeliveryMode | null;
  /** How messages reach this agent, after every registration. */
  onMode(mode: DeliveryMode): void;
  /** The token was refused twice, or the request cannot succeed; without it the agent goes on trying. */
  onRefused?(refusal: PlatformResponse): void;
  /** The workspace was deleted: nothing is left to do. */
  onDeleted(): void;
}

interface RegisterReply {
  delivery_mode?: string;
  auth_token?: unknown;
  platform_inbound_secret?: unknown;
}

export interface Registration {
  /** Until it works or the agent stops: 1, 2, 4, 8, 15, 30 s, then every 30 s. Calls of the same time share one. */
  registerUntilDone(): Promise<void>;
}

export function createRegistration({
  client,
  credentials,
  timers,
  log,
  url,
  card,
  signal,
  deliveryMode = null,
  onMode,
  onRefused,
  onDeleted,
}: RegisterDeps): Registration {
  let underWay: Promise<void> | null = null;

  const send = () =>
    client.request('POST', '/registry/register', {
      body: {
        id: client.workspaceId,
        url: deliveryMode === 'poll' ? '' : url(),
        agent_card: card(),
        ...(deliveryMode === null ? {} : { delivery_mode: deliveryMode }),
      },
      signal,
    });

  function keepCredentials(body: unknown): void {
    const reply = (typeof body === 'object' && body !== null ? body : {}) as RegisterReply;
    if (typeof reply.auth_token === 'string') credentials.saveAuthToken(reply.auth_token);
    if (typeof reply.platform_inbound_secret === 'string') credentials.saveInboundSecret(reply.platform_inbound_secret);
    log.info({ delivery_mode: reply.delivery_mode }, 'registered');
    onMode(reply.delivery_mode === 'poll' ? 'poll' : 'push');
  }

  /** One attempt; a refused token is read from disk again and tried once more. */
  async function attempt(tries: number): Promise<boolean> {
    let response = await send();
    if (response.status === 401 || response.status === 403) {
      credentials.refresh();
      response = await send();
    }
    if (response.status === 200) {
      keepCredentials(response.body);
      return true;
    }
    if (response.status === 401 && (await isDeleted(client, signal))) {
      log.error('this workspace was deleted; stopping');
      onDeleted();
      return true;
    }
    if (onRefused && HOPELESS.has(response.status)) {
      onRefused(response);
      return true;
    }
    const level = tries < PATIENT_TRIES ? 'warn' : 'error';
    log[level]({ status: response.status, body: response.body, tries }, 'the platform refused the registration');
    return false;
  }

  async function register(): Promise<void> {
    for (let tries = 0; !signal.aborted; tries += 1) {
      try {
        if (await attempt(tries)) return;
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'the platform cannot be reached; registering again later');
      }
      await timers.sleep(DELAYS_MS[Math.min(tries, DELAYS_MS.length - 1)] ?? 30_000, signal);
    }
  }

  return {
    registerUntilDone() {
      underWay ??= register().finally(() => {
        underWay = null;
      });
      return underWay;
    },
  };
}
