// SQL of webhook deliveries: each is acted upon once for each target, whatever is delivered again.

import { type Kysely, sql, type Transaction } from 'kysely';
import { type Tables, toPlainText } from '../platform/db/index.ts';

export interface Delivery {
  /** Who delivers: `github`. */
  source: string;
  /** A workspace, or empty for all. */
  target: string;
  deliveryId: string;
}

/** @returns false when it was taken before; of two at the same moment the later one waits for the commit of the first. */
export async function takeDelivery(trx: Transaction<Tables>, delivery: Delivery): Promise<boolean> {
  const result = await sql`
    insert into webhook_deliveries (source, target, delivery_id)
    values (${delivery.source}, ${delivery.target}, ${toPlainText(delivery.deliveryId)})
    on conflict (source, target, delivery_id) do nothing returning source
  `.execute(trx);
  return result.rows.length > 0;
}

export async function deleteOld(db: Kysely<Tables>, days: number, limit: number): Promise<number> {
  const result = await sql`
    delete from webhook_deliveries where (source, target, delivery_id) in (
      select source, target, delivery_id from webhook_deliveries where received_at < now() - make_interval(days => ${days})
      order by received_at limit ${limit}
    ) returning source
  `.execute(db);
  return result.rows.length;
}
