// The part of a Kubernetes API server that the kubernetes backend relies on, at the edge of the process: versions of objects, 404,
// 409, 410 and 422 as the API means them, pages, watches as chunked lines. What becomes of a Deployment is kubernetes-pods.ts.

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createPods, type KubernetesPods, type PodScript } from './kubernetes-pods.ts';

export interface ApiObject {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    ownerReferences?: { uid: string }[];
    [more: string]: unknown;
  };
  // biome-ignore lint/suspicious/noExplicitAny: objects of every kind, looked into by their own controllers.
  [more: string]: any;
}

export type Resource = 'pods' | 'services' | 'secrets' | 'persistentvolumeclaims' | 'deployments';

export interface ObjectStore {
  get(resource: Resource, name: string): ApiObject | undefined;
  list(resource: Resource): ApiObject[];
  /** A new version of the object, told to every watch. */
  save(resource: Resource, object: ApiObject): ApiObject;
  create(resource: Resource, object: Partial<ApiObject>): ApiObject;
  drop(resource: Resource, object: ApiObject): void;
}

export interface KubernetesServer {
  url: string;
  /** For `KUBECONFIG`: a JSON document, which is YAML. */
  kubeconfig: string;
  objects: ObjectStore;
  pods: KubernetesPods;
  /** What becomes of the pods of a Deployment from now on. */
  script(next: PodScript): void;
  /** Every permission that was used: `get secrets`, `create pods/exec`. */
  used: Set<string>;
  /** Requests as `verb resource/name`, in order. */
  requests: string[];
  /** Answers a request of that kind so, once: the next one, or the one after so many. */
  failOnce(request: string, status: number, message: string, after?: number): void;
  /** Does something before it acts on the next request of that kind, once. */
  before(request: string, action: () => Promise<unknown>): void;
  /** From now on nothing is answered well; null heals it. */
  failAll(status: number | null): void;
  /** Forgets the changes so far: a watch from before is told that its version is gone. */
  expireHistory(): void;
  /** Ends every open watch, as a server does every few minutes. @returns how many there were. */
  endWatches(): number;
  stop(): Promise<void>;
}

const NAMESPACE = 'agents';
const TOKEN = 'token-of-the-service-account';
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const SECRET_KEY = /^[-._a-zA-Z0-9]+$/;
const MOST_SECRET_BYTES = 1024 * 1024;
const PATH = /^\/(?:api\/v1|apis\/apps\/v1)\/namespaces\/([^/]+)\/([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+))?$/;
const KINDS: Record<Resource, string> = {
  pods: 'Pod',
  services: 'Service',
  secrets: 'Secret',
  persistentvolumeclaims: 'PersistentVolumeClaim',
  deployments: 'Deployment',
};

interface Change {
  version: number;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  resource: Resource;
  object: ApiObject;
}

class ApiFailure extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

const statusOf = ({ status, reason, message }: ApiFailure) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  code: status,
  reason,
  message,
});
const gone = (message: string) => new ApiFailure(410, 'Expired', message);

export function selects(selector: string | null, labels: Record<string, string> = {}): boolean {
  return (selector ?? '')
    .split(',')
    .filter(Boolean)
    .every((term) => labels[term.split('=')[0] ?? ''] === term.split('=')[1]);
}

async function readBody(request: IncomingMessage): Promise<Partial<ApiObject>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as Partial<ApiObject>);
}

/** As the API would refuse it; what it stores of a Secret is in base64. */
function admit(resource: Resource, object: Partial<ApiObject>): void {
  const name = object.metadata?.name ?? '';
  const invalid = (what: string) => new ApiFailure(422, 'Invalid', `${KINDS[resource]} "${name}" is invalid: ${what}`);
  if (!NAME.test(name) || name.length > 63) throw invalid('metadata.name: must be a DNS label');
  for (const [key, value] of Object.entries(object.metadata?.labels ?? {}))
    if (value.length > 63) throw invalid(`metadata.labels[${key}]: must be no more than 63 characters`);
  if (resource === 'secrets') {
    const entries = Object.entries({
      ...object.data,
      ...Object.fromEntries(
        Object.entries((object.stringData ?? {}) as Record<string, string>).map(([key, value]) => [
          key,
          Buffer.from(value).toString('base64'),
        ]),
      ),
    });
    for (const [key] of entries) if (!SECRET_KEY.test(key)) throw invalid(`data[${key}]: must be a valid key`);
    const size = entries.reduce((sum, [, value]) => sum + Buffer.from(value as string, 'base64').length, 0);
    if (size > MOST_SECRET_BYTES) throw invalid('data: Too long: must have at most 1048576 bytes');
    object.data = Object.fromEntries(entries);
    delete object.stringData;
  }
  const template = object.spec?.template;
  if (
    resource === 'deployments' &&
    !selects(
      Object.entries(object.spec.selector.matchLabels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      template.metadata.labels,
    )
  )
    throw invalid('spec.template.metadata.labels: `selector` does not match template `labels`');
}

/** Listens on a free loopback port. */
export async function startKubernetesApi(): Promise<KubernetesServer> {
  const stored = new Map<string, ApiObject>();
  const watches = new Set<{ resource: Resource; selector: string | null; response: ServerResponse }>();
  const used = new Set<string>();
  const requests: string[] = [];
  const planned: { request: string; status: number; message: string; after: number }[] = [];
  const actions: { request: string; action: () => Promise<unknown> }[] = [];
  const sockets = new Set<Socket>();
  let history: Change[] = [];
  let expiredUntil = 0;
  let version = 100;
  let failing: number | null = null;

  const key = (resource: Resource, name: string) => `${resource}/${name}`;

  function tell(type: Change['type'], resource: Resource, object: ApiObject): void {
    const change = { version, type, resource, object: structuredClone(object) };
    history.push(change);
    for (const watch of watches)
      if (watch.resource === resource && selects(watch.selector, object.metadata.labels))
        watch.response.write(`${JSON.stringify({ type, object: change.object })}\n`);
  }

  function write(type: Change['type'], resource: Resource, object: ApiObject): ApiObject {
    version += 1;
    object.metadata.resourceVersion = String(version);
    if (type === 'DELETED') stored.delete(key(resource, object.metadata.name));
    else stored.set(key(resource, object.metadata.name), object);
    tell(type, resource, object);
    return object;
  }

  const objects: ObjectStore = {
    get: (resource, name) => stored.get(key(resource, name)),
    list: (resource) => [...stored].filter(([path]) => path.startsWith(`${resource}/`)).map(([, object]) => object),
    save: (resource, object) => write('MODIFIED', resource, object),
    create(resource, object) {
      admit(resource, object);
      const name = object.metadata?.name ?? '';
      if (objects.get(resource, name))
        throw new ApiFailure(409, 'AlreadyExists', `${resource} "${name}" already exists`);
      const metadata = { ...object.metadata, name, namespace: NAMESPACE, uid: randomUUID(), resourceVersion: '' };
      return write('ADDED', resource, { ...object, metadata });
    },
    drop: (resource, object) => void write('DELETED', resource, object),
  };
  const pods = createPods(objects);

  function replace(resource: Resource, name: string, object: Partial<ApiObject>): ApiObject {
    const current = objects.get(resource, name);
    if (!current) throw new ApiFailure(404, 'NotFound', `${resource} "${name}" not found`);
    const wanted = object.metadata?.resourceVersion;
    if (wanted && wanted !== current.metadata.resourceVersion)
      throw new ApiFailure(
        409,
        'Conflict',
        `Operation cannot be fulfilled on ${resource} "${name}": the object has been modified`,
      );
    admit(resource, object);
    const saved = objects.save(resource, {
      ...object,
      ...(current.status ? { status: current.status } : {}),
      metadata: { ...current.metadata, ...object.metadata },
    } as ApiObject);
    if (resource === 'deployments') pods.reconcile(saved);
    return saved;
  }

  function remove(resource: Resource, name: string, body: Partial<ApiObject>): ApiObject {
    const current = objects.get(resource, name);
    if (!current) throw new ApiFailure(404, 'NotFound', `${resource} "${name}" not found`);
    const expected = (body.preconditions as { resourceVersion?: string } | undefined)?.resourceVersion;
    if (expected && expected !== current.metadata.resourceVersion)
      throw new ApiFailure(409, 'Conflict', `the version of ${name} is another one`);
    pods.remove(resource, current);
    return current;
  }

  function list(resource: Resource, query: URLSearchParams) {
    const items = objects.list(resource).filter(({ metadata }) => selects(query.get('labelSelector'), metadata.labels));
    const from = query.get('continue');
    if (from && Number(from.split(':')[0]) < expiredUntil) throw gone('The provided continue parameter is too old');
    const start = from ? Number(from.split(':')[1]) : 0;
    const limit = Number(query.get('limit')) || items.length;
    const rest = items.length - start - limit;
    return {
      kind: `${KINDS[resource]}List`,
      apiVersion: resource === 'deployments' ? 'apps/v1' : 'v1',
      metadata: { resourceVersion: String(version), ...(rest > 0 ? { continue: `${version}:${start + limit}` } : {}) },
      items: items.slice(start, start + limit),
    };
  }

  function watch(resource: Resource, query: URLSearchParams, response: ServerResponse): void {
    const selector = query.get('labelSelector');
    const from = Number(query.get('resourceVersion')) || version;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from < expiredUntil) {
      response.end(
        `${JSON.stringify({ type: 'ERROR', object: statusOf(gone(`too old resource version: ${from}`)) })}\n`,
      );
      return;
    }
    for (const change of history)
      if (change.resource === resource && change.version > from && selects(selector, change.object.metadata.labels))
        response.write(`${JSON.stringify({ type: change.type, object: change.object })}\n`);
    const entry = { resource, selector, response };
    watches.add(entry);
    response.on('close', () => watches.delete(entry));
  }

  function permissionOf(
    method: string,
    resource: string,
    name: string | undefined,
    sub: string | undefined,
    isWatch: boolean,
  ): string {
    const verbs: Record<string, string> = { POST: 'create', PUT: 'update', DELETE: 'delete', PATCH: 'patch' };
    const verb = isWatch ? 'watch' : (verbs[method] ?? (name ? 'get' : 'list'));
    return `${verb} ${resource}${sub ? `/${sub}` : ''}`;
  }

  /** @throws ApiFailure */
  function check(request: IncomingMessage, permission: string, name: string | undefined): void {
    if (failing !== null) throw new ApiFailure(failing, 'InternalError', 'the API is not well');
    if (request.headers.authorization !== `Bearer ${TOKEN}`) throw new ApiFailure(401, 'Unauthorized', 'Unauthorized');
    used.add(permission);
    requests.push(`${permission}${name ? `/${name}` : ''}`);
    const plan = planned.find((one) => one.request === permission);
    if (!plan || plan.after-- > 0) return;
    planned.splice(planned.indexOf(plan), 1);
    throw new ApiFailure(plan.status, 'Planned', plan.message);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://kubernetes');
    const method = request.method ?? 'GET';
    const [, , resourceName = '', name, sub] = PATH.exec(url.pathname) ?? [];
    const resource = resourceName as Resource;
    const isWatch = url.searchParams.get('watch') === 'true';
    const body = await readBody(request);
    if (!(resource in KINDS)) throw new ApiFailure(404, 'NotFound', `no such resource ${url.pathname}`);
    const permission = permissionOf(method, resource, name, sub, isWatch);
    check(request, permission, name);
    const early = actions.findIndex((one) => one.request === permission);
    if (early !== -1) await actions.splice(early, 1)[0]?.action();
    if (isWatch) return watch(resource, url.searchParams, response);
    const reply = (status: number, value: unknown) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (sub === 'log') {
      const log = pods.readLog(name ?? '', Number(url.searchParams.get('tailLines')) || 1_000);
      return void response.writeHead(200, { 'content-type': 'text/plain' }).end(log);
    }
    if (method === 'POST') {
      const created = objects.create(resource, body);
      if (resource === 'deployments') pods.reconcile(created);
      else if (resource === 'pods') pods.run(created);
      return reply(201, created);
    }
    if (method === 'PUT') return reply(200, replace(resource, name ?? '', body));
    if (method === 'DELETE')
      return reply(
        200,
        remove(resource, name ?? '', { ...body, propagationPolicy: url.searchParams.get('propagationPolicy') }),
      );
    if (name === undefined) return reply(200, list(resource, url.searchParams));
    const found = objects.get(resource, name);
    if (!found) throw new ApiFailure(404, 'NotFound', `${resource} "${name}" not found`);
    return reply(200, found);
  }

  const listener = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      const failure = error instanceof ApiFailure ? error : new ApiFailure(500, 'InternalError', String(error));
      response.writeHead(failure.status, { 'content-type': 'application/json' }).end(JSON.stringify(statusOf(failure)));
    });
  });
  listener.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  listener.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'http://kubernetes');
    const [, , , name = '', sub] = PATH.exec(url.pathname) ?? [];
    try {
      check(request, `create pods/${sub}`, name);
      pods.exec(request, socket, head, name, url.searchParams);
    } catch (error) {
      socket.end(`HTTP/1.1 ${error instanceof ApiFailure ? error.status : 500} Refused\r\n\r\n`);
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;

  return {
    url,
    kubeconfig: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'platform', user: { token: TOKEN } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'platform', namespace: NAMESPACE } }],
      'current-context': 'test',
    }),
    objects,
    pods,
    script: pods.script,
    used,
    requests,
    failOnce: (request, status, message, after = 0) => void planned.push({ request, status, message, after }),
    before: (request, action) => void actions.push({ request, action }),
    failAll(status) {
      failing = status;
    },
    expireHistory() {
      history = [];
      version += 1;
      expiredUntil = version;
    },
    endWatches() {
      const open = watches.size;
      for (const { response } of watches) response.end();
      watches.clear();
      return open;
    },
    async stop() {
      pods.stop();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
