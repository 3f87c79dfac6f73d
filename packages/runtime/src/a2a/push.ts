// Push notifications (chapter 40 §8.2): one signed POST per change of state, three tries, and only to addresses that are
// allowed to be called. Delivery never delays a turn.

import { createHmac } from 'node:crypto';
import { lookup as lookupName } from 'node:dns';
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Task } from '@a2a-js/sdk';
import { V03PushNotificationSerializer } from '@a2a-js/sdk/compat/v0_3/server';
import { V1PushNotificationSerializer } from '@a2a-js/sdk/server';
import type { Logger } from '../logger.ts';
import type { PushTarget, TaskEntry } from './tasks.ts';
import { statusFrame } from './wire.ts';

const TRIES = 3;
const RETRY_MS = 1_000;
const TIMEOUT_MS = 5_000;

/** Never, not even on a laptop: cloud metadata and other link-local services. */
const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet('169.254.0.0', 16);
FORBIDDEN.addSubnet('0.0.0.0', 8);
FORBIDDEN.addSubnet('224.0.0.0', 3);
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6');
FORBIDDEN.addSubnet('ff00::', 8, 'ipv6');
FORBIDDEN.addAddress('fd00:ec2::254', 'ipv6');
FORBIDDEN.addAddress('100.100.100.200');

/** Only where the platform itself is at such an address. */
const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['127.0.0.0', 8],
  ['100.64.0.0', 10],
] as const)
  PRIVATE.addSubnet(net, bits);
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addAddress('::1', 'ipv6');

/** `::ffff:10.0.0.1` is 10.0.0.1; the block lists know that, the plain `::` does not. */
function isAllowed(address: string, allowPrivate: boolean): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  if (address === '::' || FORBIDDEN.check(address, family)) return false;
  return allowPrivate || !PRIVATE.check(address, family);
}

export class PushTargetError extends Error {}

type Lookup = (
  host: string,
  options: { all: true },
  done: (error: Error | null, addresses: { address: string; family: number }[]) => void,
) => void;

export interface PushDeps {
  /** Private and loopback targets are fine: the platform is at such an address itself. */
  allowPrivate: boolean;
  log: Logger;
  retryMs?: number;
  lookup?: Lookup;
}

export function createPushSender({ allowPrivate, log, retryMs = RETRY_MS, lookup = lookupName as Lookup }: PushDeps) {
  const serializers = { '0.3': new V03PushNotificationSerializer(), '1.0': new V1PushNotificationSerializer() };
  const chains = new Map<string, Promise<void>>();

  /** @throws PushTargetError unless every address of the target may be called. @returns the addresses. */
  async function resolveTarget(url: string): Promise<{ address: string; family: number }[]> {
    if (!URL.canParse(url)) throw new PushTargetError('the URL cannot be read');
    const { protocol, hostname } = new URL(url);
    if (protocol !== 'http:' && protocol !== 'https:') throw new PushTargetError('the URL must be http or https');
    const host = hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host)
      ? [{ address: host, family: isIP(host) }]
      : await new Promise<{ address: string; family: number }[]>((resolve, reject) =>
          lookup(host, { all: true }, (error, found) =>
            error ? reject(new PushTargetError('the host is not known')) : resolve(found),
          ),
        );
    if (addresses.length === 0 || !addresses.every(({ address }) => isAllowed(address, allowPrivate)))
      throw new PushTargetError('private and metadata addresses are refused');
    return addresses;
  }

  function headersFor({ config }: PushTarget, body: string, contentType: string): Record<string, string> {
    const { authentication, token } = config;
    return {
      'content-type': contentType,
      ...(authentication?.scheme && authentication.credentials
        ? { authorization: `${authentication.scheme} ${authentication.credentials}` }
        : {}),
      ...(token
        ? {
            'x-a2a-notification-token': token,
            'x-a2a-notification-signature': `sha256=${createHmac('sha256', token).update(body).digest('hex')}`,
          }
        : {}),
    };
  }

  async function post(target: PushTarget, body: string, contentType: string): Promise<void> {
    const { Agent, request } = await import('undici');
    // Connects to what was judged, so that a name cannot change its address in between.
    const addresses = await resolveTarget(target.config.url);
    const dispatcher = new Agent({
      connect: { lookup: (_host, _options, done) => done(null, addresses as never), timeout: TIMEOUT_MS },
    });
    try {
      const response = await request(target.config.url, {
        method: 'POST',
        dispatcher,
        headers: headersFor(target, body, contentType),
        body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.body.dump();
      if (response.statusCode >= 300) throw new Error(`the receiver answered ${response.statusCode}`);
    } finally {
      await dispatcher.destroy();
    }
  }

  async function deliver(target: PushTarget, task: Task): Promise<void> {
    const serializer = target.version === '1.0' ? serializers['1.0'] : serializers['0.3'];
    const { body, contentType } = serializer.serialize(statusFrame(task), task);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await post(target, body, contentType);
      } catch (error) {
        if (attempt === TRIES || error instanceof PushTargetError) {
          log.warn({ err: error, task: task.id, attempt }, 'a push notification could not be delivered');
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, retryMs * attempt).unref());
      }
    }
  }

  return {
    assertTarget: async (url: string): Promise<void> => void (await resolveTarget(url)),
    /** Detached; posts of one task arrive in the order of its states. */
    send(entry: TaskEntry): void {
      if (entry.pushTargets.length === 0) return;
      const task = structuredClone(entry.task);
      const targets = [...entry.pushTargets];
      const chain = (chains.get(task.id) ?? Promise.resolve()).then(async () => {
        await Promise.all(targets.map((target) => deliver(target, task)));
      });
      chains.set(task.id, chain);
      chain.finally(() => {
        if (chains.get(task.id) === chain) chains.delete(task.id);
      });
    },
  };
}

export type PushSender = ReturnType<typeof createPushSender>;
