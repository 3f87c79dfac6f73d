// Installation tokens of a GitHub App for agents (chapter 10 §2.5): made with the app's key, kept until shortly before they end.
// Neither a token nor what was signed ever stands in the log.

import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { GithubApp } from '../config.ts';
import type { Clock } from '../platform/clock.ts';
import { pause } from '../platform/deadline.ts';
import { PlatformError } from '../platform/errors.ts';
import { Agent, request } from '../platform/http-client.ts';
import type { Logger } from '../platform/log.ts';

const RENEW_BEFORE_MS = 300_000;
const ANSWER_WITHIN_MS = 10_000;
const MOST_ANSWER_BYTES = 65_536;
const PAUSES_MS = [500, 1_000, 2_000];
/** GitHub takes at most ten minutes; the start lies back a minute for clocks that differ. */
const PROOF_SECONDS = { back: 60, ahead: 540 };

const installationToken = z.object({ token: z.string().min(1), expires_at: z.iso.datetime({ offset: true }) });
export type InstallationToken = z.infer<typeof installationToken>;

export interface GithubTokens {
  /** @throws not_found when no app is configured, github_token_failed when GitHub gives none after some tries. */
  get(): Promise<InstallationToken>;
  close(): Promise<void>;
}

class RefusedError extends Error {}

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** RS256, by which GitHub knows the app. */
async function createProof(app: GithubApp, clock: Clock): Promise<string> {
  const key = createPrivateKey(await readFile(app.privateKeyFile));
  const now = Math.floor(clock.now() / 1000);
  const claims = { iat: now - PROOF_SECONDS.back, exp: now + PROOF_SECONDS.ahead, iss: app.appId };
  const signed = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`;
}

export function createGithubTokens(app: GithubApp | null, clock: Clock, log: Logger): GithubTokens {
  const agent = new Agent({ maxResponseSize: MOST_ANSWER_BYTES });
  let current: InstallationToken | null = null;
  let refreshing: Promise<InstallationToken> | null = null;

  /** @throws RefusedError when a repeat cannot help. */
  async function ask(configured: GithubApp): Promise<InstallationToken> {
    const path = `/app/installations/${encodeURIComponent(configured.installationId)}/access_tokens`;
    const answer = await request(configured.apiUrl + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await createProof(configured, clock)}`,
        accept: 'application/vnd.github+json',
        'user-agent': 'molecule',
      },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      dispatcher: agent,
    });
    const text = await answer.body.text();
    const summary = `GitHub answered ${answer.statusCode} with ${Buffer.byteLength(text)} bytes`;
    if (answer.statusCode >= 500 || answer.statusCode === 429) throw new Error(summary);
    if (answer.statusCode !== 201) throw new RefusedError(summary);
    const parsed = installationToken.safeParse(parseJson(text));
    if (!parsed.success) throw new Error(`${summary}, which hold no token`);
    return parsed.data;
  }

  async function refresh(configured: GithubApp): Promise<InstallationToken> {
    for (const delay of [...PAUSES_MS, null]) {
      try {
        current = await ask(configured);
        return current;
      } catch (error) {
        log.warn({ err: error }, 'a GitHub installation token could not be had');
        if (delay === null || error instanceof RefusedError) break;
        await pause(delay);
      }
    }
    throw new PlatformError('github_token_failed', 'the GitHub installation token could not be refreshed');
  }

  return {
    async get() {
      if (app === null) throw new PlatformError('not_found', 'no GitHub App is configured');
      if (current && Date.parse(current.expires_at) - RENEW_BEFORE_MS > clock.now()) return current;
      refreshing ??= refresh(app).finally(() => {
        refreshing = null;
      });
      return await refreshing;
    },
    close: () => agent.destroy(),
  };
}

/** Undefined for what is no JSON: the parser's own error would quote it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
