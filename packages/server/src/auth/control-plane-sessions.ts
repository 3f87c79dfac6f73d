// Sessions of the hosted control plane: asks it whether a cookie is that of a member of this tenant, and remembers the answer
// briefly (chapter 10 §5.1). Local sessions live in the database and are no business of this file.

import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Config } from '../config.ts';
import type { Clock } from '../platform/clock.ts';
import { platformUnavailable } from '../platform/errors.ts';
import { Agent, request } from '../platform/http-client.ts';
import type { Logger } from '../platform/log.ts';

const ANSWER_WITHIN_MS = 3_000;
const MEMBER_FOR_MS = 30_000;
const STRANGER_FOR_MS = 5_000;
const MOST_ENTRIES = 10_000;
const MOST_ANSWER_BYTES = 65_536;

const membership = z.object({ member: z.boolean().optional(), user_id: z.string().nullish() });

export interface ControlPlaneSessions {
  /**
   * @param cookies a Cookie header, without the cookies of this platform.
   * @throws platform_unavailable when the control plane gives no answer: the cookie is then neither good nor bad.
   */
  isMember(cookies: string): Promise<boolean>;
  /** Drops answers that have expired. @returns how many. */
  evict(): number;
  close(): Promise<void>;
}

/** Without an address or a slug nobody is a member. */
export function createControlPlaneSessions({
  config,
  clock,
  log,
}: {
  config: Pick<Config, 'cpUpstreamUrl' | 'orgSlug'>;
  clock: Clock;
  log: Logger;
}): ControlPlaneSessions {
  const { cpUpstreamUrl, orgSlug } = config;
  const agent = new Agent({ maxResponseSize: MOST_ANSWER_BYTES });
  const answers = new Map<string, { member: boolean; until: number }>();
  const asking = new Map<string, Promise<boolean>>();

  /** A refusal is an answer; a failure of the control plane itself is none. */
  async function ask(slug: string, cookies: string): Promise<boolean> {
    const response = await request(`${cpUpstreamUrl}/cp/auth/tenant-member?slug=${encodeURIComponent(slug)}`, {
      headers: { cookie: cookies, accept: 'application/json' },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      dispatcher: agent,
    });
    const text = await response.body.text();
    if (response.statusCode >= 500 || response.statusCode === 429)
      throw new Error(`the control plane answered ${response.statusCode} with ${text.length} bytes`);
    if (response.statusCode !== 200) return false;
    const { member, user_id: userId } = membership.parse(JSON.parse(text));
    return member === true && Boolean(userId);
  }

  async function askAndRemember(key: string, slug: string, cookies: string): Promise<boolean> {
    try {
      const member = await ask(slug, cookies);
      const oldest = answers.keys().next().value;
      if (answers.size >= MOST_ENTRIES && oldest !== undefined) answers.delete(oldest);
      answers.set(key, { member, until: clock.now() + (member ? MEMBER_FOR_MS : STRANGER_FOR_MS) });
      return member;
    } catch (error) {
      log.warn({ err: error }, 'the control plane could not verify a session');
      throw platformUnavailable(error);
    } finally {
      asking.delete(key);
    }
  }

  return {
    async isMember(cookies) {
      if (cpUpstreamUrl === null || orgSlug === null || cookies === '') return false;
      const key = hash('sha256', `${orgSlug}\0${cookies}`, 'base64');
      const known = answers.get(key);
      if (known && known.until > clock.now()) return known.member;
      answers.delete(key);
      const running = asking.get(key) ?? askAndRemember(key, orgSlug, cookies);
      asking.set(key, running);
      return await running;
    },
    evict() {
      const before = answers.size;
      for (const [key, { until }] of answers) if (until <= clock.now()) answers.delete(key);
      return before - answers.size;
    },
    close: () => agent.destroy(),
  };
}
