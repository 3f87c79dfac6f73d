// The terminal of a seat: a WebSocket with a shell at its other end (chapter 10 §2.6). Owns who may open one, and its life from
// the upgrade to the last byte. What the shell is, is the backend's business; what passes through it is nobody's.

import { terminalRoutes, uuid } from '@molecule/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../platform/clock.ts';
import { invalid, notFound, PlatformError, unauthenticated } from '../platform/errors.ts';
import { type Authorize, mountSocket } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Principal } from '../platform/principal.ts';
import type { Provisioning, Terminal } from '../provisioning/index.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { createSessions } from './sessions.ts';

const FIRST_SIZE = { cols: 80, rows: 24 };
const WORKING: ReadonlySet<string> = new Set(['online', 'degraded']);
const SWEEP_MS = 15_000;

export interface TerminalDeps {
  provisioning: Pick<Provisioning, 'backendName' | 'hasTerminals' | 'openTerminal' | 'isRunning'>;
  workspaces: Pick<Workspaces, 'facts'>;
  canCommunicate(a: string, b: string): Promise<boolean>;
  allowedOrigin(origin: string | undefined, request: FastifyRequest): boolean;
  /** False once the credential that opened the socket was revoked or has expired. */
  isStillAllowed(request: FastifyRequest, principal: Principal): Promise<boolean>;
  clock: Clock;
  log: Logger;
}

export interface Terminals {
  loops: Loop[];
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export function createTerminals(deps: TerminalDeps): Terminals {
  const { provisioning, workspaces, canCommunicate, allowedOrigin, isStillAllowed, clock, log } = deps;
  const sessions = createSessions({
    // One that is being stopped may still run, and its row says already that it shall not.
    isWorking: async (id) => {
      const [{ running }, facts] = await Promise.all([provisioning.isRunning(id), workspaces.facts(id)]);
      return running && facts !== null && WORKING.has(facts.status);
    },
    clock,
    log,
  });

  /** Who names another workspace speaks for it, so it must be theirs and allowed to talk to this one. */
  async function assertClaim(id: string, request: FastifyRequest, principal: Principal): Promise<void> {
    const named = request.headers['x-workspace-id'];
    if (typeof named !== 'string' || named === '' || named.toLowerCase() === id) return;
    const isOperatorToken = principal.kind === 'org-token' || principal.kind === 'admin-token';
    if (!isOperatorToken) throw unauthenticated();
    const claimed = uuid.safeParse(named);
    if (!claimed.success) throw invalid('X-Workspace-ID', 'must be a valid UUID');
    if (!(await canCommunicate(claimed.data, id)))
      throw new PlatformError('access_denied', 'these workspaces may not talk to each other');
  }

  const notRunning = () => new PlatformError('not_found', 'the agent is not running');

  async function assertAvailable(id: string): Promise<void> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
    if (facts.runtime === 'external')
      throw new PlatformError('no_terminal', 'an external agent runs where the platform has no shell');
    if (!provisioning.hasTerminals)
      throw new PlatformError('no_terminal', `the ${provisioning.backendName} backend has no terminal`);
    // Uncertain counts as running: opening one finds out.
    if (!(await provisioning.isRunning(id)).running) throw notRunning();
  }

  async function openShell(id: string, request: FastifyRequest): Promise<Terminal> {
    const terminal = await provisioning.openTerminal(id, FIRST_SIZE);
    if (!terminal) throw notRunning();
    // Also when the upgrade itself fails, or the client leaves before it.
    request.raw.socket.once('close', () => terminal.close());
    if (request.raw.socket.destroyed) terminal.close();
    return terminal;
  }

  return {
    loops: [
      {
        name: 'terminal-connections',
        why: 'A forgotten shell, or one whose owner lost the right to it, would stay open.',
        everyMs: SWEEP_MS,
        timeoutMs: 5_000,
        runs: 'every-replica',
        run: async () => ({ closed: await sessions.sweep() }),
      },
    ],
    mount(app, authorize) {
      app.addHook('preClose', async () => sessions.close());
      mountSocket(
        app,
        terminalRoutes.openTerminal,
        authorize,
        (socket, { params, principal, request }, terminal: Terminal) =>
          sessions.accept(socket, terminal, {
            workspaceId: params.id,
            principal: principal.kind,
            isStillAllowed: () => isStillAllowed(request, principal),
          }),
        {
          async check({ params, principal, request }) {
            if (!allowedOrigin(request.headers.origin, request))
              throw new PlatformError('origin_refused', 'this origin may not open a terminal');
            await assertClaim(params.id, request, principal);
            await assertAvailable(params.id);
          },
          prepare: ({ params, request }) => openShell(params.id, request),
        },
      );
    },
  };
}
