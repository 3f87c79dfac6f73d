// A control plane at the edge of the process (chapter 10 §7.6): starts no machines, but answers like one that does, checks the
// credentials it was told, keeps every call, and fails as a test wants it to.

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ControlPlaneCall = 'provision' | 'stop' | 'status' | 'console' | 'config';

export interface ControlPlaneRequest {
  call: ControlPlaneCall;
  method: string;
  path: string;
  /** Of the path; empty for `config` and `provision`. */
  workspaceId: string;
  instanceId: string | null;
  headers: Record<string, string | string[] | undefined>;
  body: Record<string, unknown>;
}

export interface ScriptedMachine {
  workspaceId: string;
  instanceId: string;
  state: string;
  /** What its workload was told. */
  env: Record<string, string>;
}

export interface ControlPlaneReply {
  status: number;
  body: object;
}

/**
 * Answers in place of the control plane; a function that never ends the response hangs. `perform` does what was asked for and
 * tells what would have been answered.
 */
export type ControlPlaneFault = (
  response: ServerResponse,
  request: ControlPlaneRequest,
  perform: () => ControlPlaneReply,
) => void;

export interface ControlPlaneServer {
  url: string;
  requests: ControlPlaneRequest[];
  /** Every machine that ever was, the newest last. */
  machines: ScriptedMachine[];
  /** What `GET /cp/tenants/config` gives out. */
  tenantConfig: Record<string, unknown>;
  consoleOutput: string;
  of(call: ControlPlaneCall): ControlPlaneRequest[];
  /** Every call of this kind fails so, until told otherwise; null heals it. */
  fail(call: ControlPlaneCall, fault: ControlPlaneFault | null): void;
  /** Resolves when there were `count` calls of this kind in all. */
  waitFor(call: ControlPlaneCall, count: number): Promise<ControlPlaneRequest[]>;
  /** The running machine of a workspace. */
  machineOf(workspaceId: string): ScriptedMachine | undefined;
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** Bearers it asks for; a call without the right one is 401. Null = not checked. */
  sharedSecret?: string | null;
  adminApiToken?: string | null;
  /** Called with each machine soon after it was made; what its agent does is the test's business. */
  onMachine?(machine: ScriptedMachine): void;
}

export const answerStatus =
  (status: number, body: string | object = ''): ControlPlaneFault =>
  (response) =>
    void response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
export const hang: ControlPlaneFault = () => {};
export const breakOff: ControlPlaneFault = (response) => void response.destroy();

const PATHS: [ControlPlaneCall, string, RegExp][] = [
  ['provision', 'POST', /^\/cp\/workspaces\/(provision)$/],
  ['stop', 'DELETE', /^\/cp\/workspaces\/([^/]+)$/],
  ['status', 'GET', /^\/cp\/workspaces\/([^/]+)\/status$/],
  ['console', 'GET', /^\/cp\/admin\/workspaces\/([^/]+)\/console$/],
  ['config', 'GET', /^\/cp\/tenants\/(config)$/],
];

function findCall(method: string, path: string): { call: ControlPlaneCall; workspaceId: string } | null {
  for (const [call, wanted, pattern] of PATHS) {
    const found = wanted === method ? pattern.exec(path) : null;
    if (found) return { call, workspaceId: found[1] === call ? '' : decodeURIComponent(found[1] ?? '') };
  }
  return null;
}

/** Listens on a free loopback port. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlaneServer> {
  const { sharedSecret = null, adminApiToken = null, onMachine } = options;
  const requests: ControlPlaneRequest[] = [];
  const machines: ScriptedMachine[] = [];
  const keyed = new Map<string, ScriptedMachine>();
  const faults = new Map<ControlPlaneCall, ControlPlaneFault>();
  const waiting: { call: ControlPlaneCall; count: number; resolve(requests: ControlPlaneRequest[]): void }[] = [];
  const of = (call: ControlPlaneCall) => requests.filter((request) => request.call === call);
  const json = (response: ServerResponse, status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

  function isAllowed({ call, headers }: ControlPlaneRequest): boolean {
    if (call === 'config') return true;
    const wanted = call === 'console' ? adminApiToken : sharedSecret;
    return wanted === null || headers.authorization === `Bearer ${wanted}`;
  }

  /** A key it has seen makes no second machine. */
  function provision({ body, headers }: ControlPlaneRequest): ControlPlaneReply {
    const key = headers['idempotency-key'];
    let machine = typeof key === 'string' ? keyed.get(key) : undefined;
    if (!machine) {
      machine = {
        workspaceId: String(body.workspace_id),
        instanceId: `i-${String(machines.length + 1).padStart(8, '0')}`,
        state: 'running',
        env: { ...(body.env as Record<string, string>) },
      };
      machines.push(machine);
      if (typeof key === 'string') keyed.set(key, machine);
      const made = machine;
      setImmediate(() => onMachine?.(made));
    }
    return { status: 201, body: { instance_id: machine.instanceId, private_ip: '10.0.0.7', state: 'pending' } };
  }

  function act(request: ControlPlaneRequest): ControlPlaneReply {
    const machine = machines.find(({ instanceId }) => instanceId === request.instanceId);
    const unknown = { status: 404, body: { error: 'no such machine' } };
    switch (request.call) {
      case 'provision':
        return provision(request);
      case 'stop':
        if (machine) machine.state = 'terminated';
        return machine ? { status: 200, body: { state: 'terminated' } } : unknown;
      case 'status':
        return machine ? { status: 200, body: { state: machine.state } } : unknown;
      case 'console':
        return { status: 200, body: { output: server.consoleOutput } };
      case 'config':
        return { status: 200, body: server.tenantConfig };
    }
  }

  const listener = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const url = new URL(incoming.url ?? '/', 'http://control-plane');
    const found = findCall(incoming.method ?? '', url.pathname);
    if (!found) return void json(response, 404, { error: 'no such route' });
    const text = Buffer.concat(chunks).toString();
    const request: ControlPlaneRequest = {
      ...found,
      method: incoming.method ?? '',
      path: url.pathname,
      instanceId: url.searchParams.get('instance_id'),
      headers: incoming.headers,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
    requests.push(request);
    const fault = faults.get(request.call);
    const perform = () => (isAllowed(request) ? act(request) : { status: 401, body: { error: 'invalid credential' } });
    if (fault) fault(response, request, perform);
    else {
      const { status, body } = perform();
      json(response, status, body);
    }
    for (const wait of waiting) if (of(wait.call).length >= wait.count) wait.resolve(of(wait.call));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));

  const server: ControlPlaneServer = {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    requests,
    machines,
    tenantConfig: {},
    consoleOutput: 'booting\nready\n',
    of,
    fail(call, fault) {
      if (fault) faults.set(call, fault);
      else faults.delete(call);
    },
    waitFor: (call, count) =>
      of(call).length >= count
        ? Promise.resolve(of(call))
        : new Promise((resolve) => waiting.push({ call, count, resolve })),
    machineOf: (workspaceId) =>
      machines.findLast((machine) => machine.workspaceId === workspaceId && machine.state === 'running'),
    async stop() {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return server;
}
