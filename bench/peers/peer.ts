// What every process of bench/peers shares: its options, the word that it is ready, and its end with the bench.

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The bench may be killed; its processes then end by themselves. */
process.on('disconnect', () => process.exit(0));

export function readOptions<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

export function tell(message: object): void {
  process.send?.(message);
}

/** Listens on a free loopback port and says so. */
export async function serve(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  tell({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
