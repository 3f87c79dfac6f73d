// The credentials of an external seat: shown how to use, or made anew (chapter 10 §2.1). Tokens themselves are auth's.

import type { Events } from '../events/index.ts';
import type { Database } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { WorkspaceRow } from './lifecycle.ts';
import type { WorkspacePorts } from './service.ts';
import * as store from './store.ts';

export interface Credentials {
  /** @throws not_found, invalid_request when the platform runs this workspace itself */
  requireExternal(id: string): Promise<WorkspaceRow>;
  /** Every token of before is refused from the commit on. @throws as `requireExternal` */
  rotate(id: string): Promise<{ row: WorkspaceRow; token: string }>;
}

export interface CredentialsDeps {
  db: Database;
  events: Events;
  ports: Pick<WorkspacePorts, 'rotateToken' | 'forgetTokens'>;
}

export function createCredentials({ db, events, ports }: CredentialsDeps): Credentials {
  function assertExternal(row: WorkspaceRow | null): asserts row is WorkspaceRow {
    if (!row || row.status === 'removed') throw notFound('workspace');
    if (row.runtime !== 'external')
      throw new PlatformError(
        'invalid_request',
        'the platform runs this workspace and gives it its credentials; restart it instead',
        { field: 'id' },
      );
  }

  return {
    async requireExternal(id) {
      const row = await store.findWorkspace(db.kysely, id);
      assertExternal(row);
      return row;
    },
    async rotate(id) {
      const rotated = await db.tx(async (trx) => {
        const row = await store.lockWorkspace(trx, id);
        assertExternal(row);
        const { token, prefix } = await ports.rotateToken(trx, id);
        await events.append(trx, {
          event: 'EXTERNAL_CREDENTIALS_ROTATED',
          workspace_id: id,
          payload: { token_prefix: prefix },
        });
        return { row, token };
      });
      await ports.forgetTokens();
      return rotated;
    },
  };
}
