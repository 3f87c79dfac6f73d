// LISTEN on a connection of its own that comes back by itself. A notification is a hint: after a gap the listener is told ''.

import type pg from 'pg';
import type { Logger } from '../log.ts';

const RETRY_MS = 500;

export interface Listener {
  listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export function createListener(connect: () => pg.Client, log: Logger): Listener {
  const handlers = new Map<string, Set<(payload: string) => void>>();
  let client: pg.Client | null = null;
  let connecting: Promise<pg.Client> | null = null;
  let retry: NodeJS.Timeout | null = null;
  let closed = false;

  async function open(): Promise<pg.Client> {
    const opened = connect();
    opened.on('notification', ({ channel, payload }) => {
      for (const handler of handlers.get(channel) ?? []) handler(payload ?? '');
    });
    opened.on('error', (error) => lose(opened, error));
    opened.on('end', () => lose(opened, null));
    await opened.connect();
    for (const channel of handlers.keys()) await opened.query(`listen ${channel}`);
    if (closed) {
      await opened.end();
      throw new Error('the database was closed');
    }
    client = opened;
    return opened;
  }

  function lose(lost: pg.Client, error: unknown): void {
    if (client !== lost || closed) return;
    client = null;
    log.warn({ err: error }, 'the notification connection was lost; connecting again');
    reconnect();
  }

  function reconnect(): void {
    connecting = null;
    retry = setTimeout(async () => {
      try {
        await ensure();
        if (closed) return;
        for (const set of handlers.values()) for (const handler of set) handler('');
      } catch (error) {
        if (closed) return;
        log.warn({ err: error }, 'the notification connection could not be made');
        reconnect();
      }
    }, RETRY_MS);
    retry.unref();
  }

  function ensure(): Promise<pg.Client> {
    connecting ??= open().catch((error: unknown) => {
      connecting = null;
      throw error;
    });
    return connecting;
  }

  return {
    async listen(channel, onPayload) {
      if (!/^[a-z_]+$/.test(channel)) throw new Error(`${channel} is not a channel name`);
      const known = handlers.get(channel) ?? new Set();
      handlers.set(channel, known.add(onPayload));
      const stop = async () => {
        known.delete(onPayload);
        if (known.size > 0 || closed) return;
        handlers.delete(channel);
        await client?.query(`unlisten ${channel}`);
      };
      try {
        const connection = await ensure();
        await connection.query(`listen ${channel}`);
      } catch (error) {
        await stop();
        throw error;
      }
      return stop;
    },
    async close() {
      closed = true;
      if (retry) clearTimeout(retry);
      if (!connecting) return;
      const connection = await connecting.catch(() => null);
      client = null;
      await connection?.end();
    },
  };
}
