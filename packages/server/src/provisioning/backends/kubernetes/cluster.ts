// The way to the cluster: which one, which namespace, every call with an end. The client library is large, so it is loaded with
// the first call and not with the platform.

import { readFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import type { ApiException, AppsV1Api, CoreV1Api, Exec, KubeConfig, Watch } from '@kubernetes/client-node';
import { startDeadline } from '../../../platform/deadline.ts';

const CALL_MS = 15_000;
const OWN_NAMESPACE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';
const MOST_CONFLICTS = 5;

export interface Cluster {
  core: CoreV1Api;
  apps: AppsV1Api;
  exec: Exec;
  watch: Watch;
  namespace: string;
}

export interface ClusterOptions {
  /** A file, or several as `KUBECONFIG` lists them; null = the usual file, else the pod this platform runs in. */
  kubeconfig: string | null;
  /** Null = the platform's own. */
  namespace: string | null;
}

/** What the API answers instead of an object; its `message` is a sentence for people. */
interface ApiStatus {
  message?: string;
}

export const statusCodeOf = (error: unknown): number | null => {
  const { code, statusCode } = (error ?? {}) as Partial<ApiException<unknown>> & { statusCode?: number };
  return typeof code === 'number' ? code : (statusCode ?? null);
};
export const isNotFound = (error: unknown) => statusCodeOf(error) === 404;
/** The object exists already, or changed since it was read. */
export const isConflict = (error: unknown) => statusCodeOf(error) === 409;
/** The version, or the page, asked for is no longer kept: list again. */
export const isGone = (error: unknown) => statusCodeOf(error) === 410;
/** The cluster understood, and will not have it: invalid, not admitted, over a quota. */
export const isRefused = (error: unknown) => [400, 403, 422].includes(statusCodeOf(error) ?? 0);

/** An answer of the API. Its message is the API's own sentence, without the whole answer that the library puts around it: for a
 * secret that would be the secret. */
export class ClusterError extends Error {
  readonly statusCode: number;
  constructor(statusCode: number, message: string) {
    super(message);
    this.name = 'ClusterError';
    this.statusCode = statusCode;
  }
}

function readSentence(body: unknown): string | null {
  try {
    const status = (typeof body === 'string' ? JSON.parse(body) : body) as ApiStatus | null;
    return typeof status?.message === 'string' ? status.message : null;
  } catch {
    // A proxy's page, not the API's answer.
    return null;
  }
}

export function asError(error: unknown): Error {
  const code = statusCodeOf(error);
  if (code === null || error instanceof ClusterError) return error instanceof Error ? error : new Error(String(error));
  return new ClusterError(code, readSentence((error as { body?: unknown }).body) ?? `the API answered ${code}`);
}

/** @throws when there is no answer in time; the error then has no status code. */
export async function bounded<T>(call: Promise<T>, milliseconds = CALL_MS): Promise<T> {
  const late = Promise.withResolvers<never>();
  const deadline = startDeadline({
    silenceMs: milliseconds,
    ceilingMs: null,
    onExpire: () => late.reject(new Error(`the cluster did not answer within ${milliseconds / 1000} seconds`)),
  });
  try {
    return await Promise.race([call, late.promise]);
  } catch (error) {
    throw asError(error);
  } finally {
    deadline.cancel();
  }
}

/** Null when it is not there. */
export async function orNull<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await bounded(call);
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

/** Creates, or replaces what is there; somebody may write at the same time, and then both are looked at again. */
export async function put<T extends { metadata?: { resourceVersion?: string } }>(
  object: T,
  calls: { create(object: T): Promise<T>; read(): Promise<T>; replace(object: T): Promise<T> },
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const current = await orNull(calls.read());
      if (current === null) await bounded(calls.create(object));
      else {
        const resourceVersion = current.metadata?.resourceVersion;
        await bounded(
          calls.replace({
            ...object,
            metadata: { ...object.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
          }),
        );
      }
      return;
    } catch (error) {
      if (attempt >= MOST_CONFLICTS || !(isConflict(error) || isNotFound(error))) throw error;
    }
  }
}

/** Every page; begins again when the pages grew too old. */
export async function listAll<T>(
  page: (next: string | undefined) => Promise<{ items: T[]; metadata?: { _continue?: string } }>,
): Promise<T[]> {
  for (;;) {
    const items: T[] = [];
    let next: string | undefined;
    try {
      do {
        const answer = await bounded(page(next));
        items.push(...answer.items);
        next = answer.metadata?._continue || undefined;
      } while (next);
      return items;
    } catch (error) {
      if (!isGone(error) || items.length === 0) throw error;
    }
  }
}

function load(config: KubeConfig, kubeconfig: string | null): void {
  if (kubeconfig === null || kubeconfig.includes(delimiter)) config.loadFromDefault();
  else config.loadFromFile(kubeconfig);
}

function findNamespace(config: KubeConfig): string {
  const named = config.getContextObject(config.getCurrentContext())?.namespace;
  if (named) return named;
  try {
    return readFileSync(OWN_NAMESPACE, 'utf8').trim() || 'default';
  } catch {
    return 'default';
  }
}

/** Opened once; a cluster that cannot be read at first is tried again by the next call. */
export function createCluster({ kubeconfig, namespace }: ClusterOptions): () => Promise<Cluster> {
  let opened: Promise<Cluster> | null = null;

  async function open(): Promise<Cluster> {
    const library = await import('@kubernetes/client-node');
    const config = new library.KubeConfig();
    load(config, kubeconfig);
    return {
      core: config.makeApiClient(library.CoreV1Api),
      apps: config.makeApiClient(library.AppsV1Api),
      exec: new library.Exec(config),
      watch: new library.Watch(config),
      namespace: namespace ?? findNamespace(config),
    };
  }

  return async () => {
    opened ??= open();
    try {
      return await opened;
    } catch (error) {
      opened = null;
      throw error;
    }
  };
}
