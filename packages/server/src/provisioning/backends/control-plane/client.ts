// The HTTP of the control plane (chapter 10 §7.6): one function per call, bounded answers, credentials as headers.
// Its address is the operator's own, so it is taken as it is; redirects are not followed. Knows nothing of rows or retries.

import { z } from 'zod';
import { Agent, type Dispatcher, request } from '../../../platform/http-client.ts';
import { firstBytes } from '../../byte-limits.ts';
import { redactValues } from '../../redaction.ts';

/** No answer is waited for any longer. */
export const CALL_MS = 120_000;
/** A call on the message path may wait for this answer; no answer only means "not sure". */
const STATUS_MS = 10_000;
/** Timed out, too many: the same request may succeed later. */
const PASSING = new Set([408, 429]);
const MOST_BYTES = 64 * 1024;
const MOST_CONSOLE_BYTES = 256 * 1024;
const MOST_EXCERPT_BYTES = 512;

export interface ControlPlaneCredentials {
  baseUrl: string;
  orgId: string | null;
  sharedSecret: string | null;
  adminApiToken: string | null;
  /** Says which platform calls. */
  adminToken: string | null;
}

/** What was asked for is refused, and was not done. */
export class ControlPlaneRefusalError extends Error {
  /** Our credential was refused: that says nothing of what an earlier request did. */
  readonly isOfCredential: boolean;
  constructor(message: string, isOfCredential = false) {
    super(message);
    this.name = 'ControlPlaneRefusalError';
    this.isOfCredential = isOfCredential;
  }
}

export interface MachineRequest {
  /** Sent as `Idempotency-Key`: repeated with the same one the request makes no second machine. */
  key: string;
  workspaceId: string;
  runtime: string;
  tier: number;
  platformUrl: string;
  env: Readonly<Record<string, string>>;
  /** Only when the runtime is pinned; else the control plane chooses. */
  image: string | null;
}

const machine = z.object({ instance_id: z.string().min(1).max(255), state: z.string().nullish() });
const machineState = z.object({ state: z.string() });
const consoleAnswer = z.object({ output: z.string() });
const refusal = z.object({ error: z.string().min(1) });

export type Machine = z.output<typeof machine>;

interface Answer {
  status: number;
  text: string;
  /** False when there was more than may be read. */
  complete: boolean;
}

/** Reads no more than it may: what follows is not even received. */
async function readBounded(body: Dispatcher.ResponseData['body'], mostBytes: number): Promise<Omit<Answer, 'status'>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > mostBytes) break;
  }
  return { text: Buffer.concat(chunks).subarray(0, mostBytes).toString(), complete: size <= mostBytes };
}

const succeeded = ({ status }: Answer): boolean => status >= 200 && status < 300;

/** @throws when it is cut off, no JSON, or not of this shape. Never repeats what it read. */
function parseAnswer<Shape extends z.ZodType>(what: string, shape: Shape, answer: Answer): z.output<Shape> {
  if (!answer.complete) throw new Error(`${what}: the answer is larger than it may be`);
  let value: unknown;
  try {
    value = JSON.parse(answer.text);
  } catch {
    throw new Error(`${what}: the answer is not JSON (${Buffer.byteLength(answer.text)} bytes)`);
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new Error(`${what}: the answer has no usable fields`);
  return parsed.data;
}

/** The control plane's own `error`, or nothing but how much it said: the rest of a body may hold anything. */
function describeRefusal({ text }: Answer): string {
  try {
    const parsed = refusal.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data.error;
  } catch {
    // Not JSON: counted like any other body.
  }
  return `${Buffer.byteLength(text)} bytes`;
}

export function createControlPlaneClient(credentials: ControlPlaneCredentials) {
  const { baseUrl, orgId, sharedSecret, adminApiToken, adminToken } = credentials;
  const agent = new Agent({ headersTimeout: CALL_MS, bodyTimeout: CALL_MS });
  const secrets = [sharedSecret, adminApiToken, adminToken].filter((secret) => secret !== null);
  /** It knows our credentials, and may repeat them. */
  const clean = (text: string) => redactValues(text, secrets);

  async function call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    options: { bearer: string | null; body?: unknown; key?: string; timeoutMs?: number; mostBytes?: number },
  ): Promise<Answer> {
    const response = await request(`${baseUrl}${path}`, {
      method,
      dispatcher: agent,
      signal: AbortSignal.timeout(options.timeoutMs ?? CALL_MS),
      headers: {
        accept: 'application/json',
        ...(options.bearer === null ? {} : { authorization: `Bearer ${options.bearer}` }),
        ...(adminToken === null ? {} : { 'x-molecule-admin-token': adminToken }),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.key === undefined ? {} : { 'idempotency-key': options.key }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    return { status: response.statusCode, ...(await readBounded(response.body, options.mostBytes ?? MOST_BYTES)) };
  }

  async function provision(key: string, body: Record<string, unknown>): Promise<Machine> {
    const answer = await call('POST', '/cp/workspaces/provision', {
      bearer: sharedSecret,
      key,
      body: { org_id: orgId, ...body },
    });
    if (answer.status === 201) return parseAnswer('provision', machine, answer);
    const message = `the control plane answered ${answer.status}: ${clean(describeRefusal(answer))}`;
    throw answer.status >= 400 && answer.status < 500 && !PASSING.has(answer.status)
      ? new ControlPlaneRefusalError(message, answer.status === 401 || answer.status === 403)
      : new Error(message);
  }

  const workspacePath = (id: string, instanceId: string, more = '') =>
    `/cp/workspaces/${encodeURIComponent(id)}${more}?instance_id=${encodeURIComponent(instanceId)}`;

  return {
    /**
     * @throws with the status and the control plane's `error` field, for the log only: ControlPlaneRefusalError when no machine
     * was made; after anything else there may be one.
     */
    provision: ({ key, workspaceId, runtime, tier, platformUrl, env, image }: MachineRequest): Promise<Machine> =>
      provision(key, {
        workspace_id: workspaceId,
        runtime,
        tier,
        platform_url: platformUrl,
        env,
        ...(image === null ? {} : { image }),
      }),
    /** Asks again for the machine of an earlier request, to end it. @throws as `provision` does. */
    recall: (key: string, workspaceId: string): Promise<Machine> => provision(key, { workspace_id: workspaceId }),
    /** @throws unless it was acknowledged. */
    async stop(id: string, instanceId: string): Promise<void> {
      const answer = await call('DELETE', workspacePath(id, instanceId), { bearer: sharedSecret });
      if (!succeeded(answer))
        throw new Error(
          `stopping workspace ${id}: the control plane answered ${answer.status}: ${firstBytes(clean(answer.text), MOST_EXCERPT_BYTES)}`,
        );
    },
    /** @throws when it is not certain. */
    async isRunning(id: string, instanceId: string): Promise<boolean> {
      const answer = await call('GET', workspacePath(id, instanceId, '/status'), {
        bearer: sharedSecret,
        timeoutMs: STATUS_MS,
      });
      if (!succeeded(answer)) throw new Error(`status of workspace ${id}: the control plane answered ${answer.status}`);
      return parseAnswer(`status of workspace ${id}`, machineState, answer).state === 'running';
    },
    /** @throws when the control plane does not give it out. */
    async readConsole(id: string): Promise<string> {
      const answer = await call('GET', `/cp/admin/workspaces/${encodeURIComponent(id)}/console`, {
        bearer: adminApiToken,
        mostBytes: MOST_CONSOLE_BYTES,
      });
      if (!succeeded(answer))
        throw new Error(`console of workspace ${id}: the control plane answered ${answer.status}`);
      return parseAnswer(`console of workspace ${id}`, consoleAnswer, answer).output;
    },
  };
}

export type ControlPlaneClient = ReturnType<typeof createControlPlaneClient>;
