// Settings that the control plane of a hosted platform hands out at boot (chapter 10 §7.6), so that a rotated secret needs no
// new deployment. A few names only; whatever goes wrong, the platform starts with the settings it has.

import { z } from 'zod';
import { type Config, readConfig } from './config.ts';
import type { Logger } from './platform/log.ts';

const ANSWER_WITHIN_MS = 10_000;
const MOST_ANSWER_BYTES = 64 * 1024;
const MOST_VALUE_BYTES = 4 * 1024;
const APPLIED = [
  'MOLECULE_CP_SHARED_SECRET',
  'MOLECULE_CP_URL',
  'CP_ADMIN_API_TOKEN',
  'CP_UPSTREAM_URL',
  'MOLECULE_ORG_SLUG',
];

async function fetchSettings(url: string, orgId: string, adminToken: string): Promise<Record<string, string>> {
  // Not for a laptop's start to pay for.
  const { Agent, request } = await import('./platform/http-client.ts');
  const agent = new Agent({ maxResponseSize: MOST_ANSWER_BYTES });
  try {
    const { statusCode, body } = await request(`${url}/cp/tenants/config`, {
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${adminToken}`,
        'x-molecule-org-id': orgId,
      },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      dispatcher: agent,
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the control plane answered ${statusCode} with ${text.length} bytes`);
    const values = z.record(z.string(), z.unknown()).parse(JSON.parse(text));
    return Object.fromEntries(
      Object.entries(values).filter(
        (entry): entry is [string, string] =>
          APPLIED.includes(entry[0]) &&
          typeof entry[1] === 'string' &&
          entry[1].trim() !== '' &&
          Buffer.byteLength(entry[1]) <= MOST_VALUE_BYTES,
      ),
    );
  } finally {
    await agent.destroy();
  }
}

/**
 * @param env what `config` was read from; undefined = the environment of the process.
 * @returns the configuration with what the control plane says; the same one when there is no control plane, or no use in its answer.
 */
export async function applyTenantConfig(
  config: Config,
  env: Readonly<Record<string, string | undefined>> | undefined,
  log: Logger,
): Promise<Config> {
  const { cpProvisionUrl, orgId, adminToken } = config;
  if (cpProvisionUrl === null || orgId === null || adminToken === null) return config;
  try {
    const values = await fetchSettings(cpProvisionUrl, orgId, adminToken);
    const applied = readConfig(env, values);
    log.info({ names: Object.keys(values) }, 'settings of this tenant were taken from the control plane');
    return applied;
  } catch (error) {
    // A JSON error quotes what it read, and that may be a secret.
    const reason = error instanceof SyntaxError ? 'the answer is not JSON' : error;
    log.warn({ err: reason }, 'the control plane gave no usable settings; starting with those at hand');
    return config;
  }
}
