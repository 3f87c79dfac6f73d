// HTTP of provisioning: the console of a machine, and the word of whoever watched it boot (chapter 10 §2.1).

import { machineRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Backend } from './backend.ts';
import { firstBytes, lastBytes } from './byte-limits.ts';
import { redactValues } from './redaction.ts';

const MOST_TEXT_BYTES = 8192;
const NO_REASON = 'the machine did not come up, and no reason was given';
const WITHHELD = 'withheld: stored secrets cannot be decrypted, so they cannot be taken out of it';

export interface ProvisioningRouteDeps {
  /** In any status, removed too. */
  exists(id: string): Promise<boolean>;
  backend: Backend;
  markFailed(id: string, message: string, extra: Record<string, unknown>): Promise<boolean>;
  /** Null = unknown, so that nothing a machine said may be repeated. */
  listSecretValues(id: string): Promise<string[] | null>;
  log: Logger;
}

export function mountProvisioningRoutes(app: FastifyInstance, authorize: Authorize, deps: ProvisioningRouteDeps): void {
  const { backend, log } = deps;

  async function assertKnown(id: string): Promise<void> {
    if (!(await deps.exists(id))) throw notFound('workspace');
  }

  async function readConsole(id: string): Promise<string | null> {
    if (!backend.readConsole) throw new PlatformError('no_console', 'consoles exist only on hosted machines');
    try {
      return await backend.readConsole(id);
    } catch (error) {
      log.error({ err: error, workspace_id: id }, 'the console of a machine could not be read');
      throw new PlatformError('console_failed', 'the control plane did not give the console out');
    }
  }

  mount(
    app,
    machineRoutes,
    {
      getConsole: async ({ params }) => {
        await assertKnown(params.id);
        const output = await readConsole(params.id);
        if (output === null) throw notFound('machine of this workspace');
        const values = await deps.listSecretValues(params.id);
        return { output: values === null ? WITHHELD : redactValues(output, values) };
      },
      bootstrapFailed: async ({ params, body }) => {
        await assertKnown(params.id);
        const values = await deps.listSecretValues(params.id);
        const clean = (text: string) => (values === null ? WITHHELD : redactValues(text, values));
        const message = firstBytes(body.error?.trim() ? clean(body.error.trim()) : NO_REASON, MOST_TEXT_BYTES);
        const tail = lastBytes(clean(body.log_tail ?? ''), MOST_TEXT_BYTES);
        const changed = await deps.markFailed(params.id, message, { log_tail: tail, source: 'bootstrap_watcher' });
        return changed ? { ok: true as const } : { ok: true as const, no_change: true as const };
      },
    },
    authorize,
  );
}
