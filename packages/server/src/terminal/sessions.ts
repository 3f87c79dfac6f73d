// Open terminals: bytes both ways, the size of the window, and the ends there are: the shell's, the socket's, silence, a lost right.

import { randomUUID } from 'node:crypto';
import type { WebSocket } from '@fastify/websocket';
import { resizeFrame } from '@molecule/contract';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import type { Terminal } from '../provisioning/index.ts';

/** Since the last byte in either direction. */
export const IDLE_MS = 30 * 60_000;
/** What a slow reader may leave in its socket before its shell has to wait, and the rest it must take before that goes on. */
const HIGH_WATER_BYTES = 1024 * 1024;
const LOW_WATER_BYTES = 128 * 1024;
/** Where the shell cannot be made to wait. */
const MOST_BUFFERED_BYTES = 16 * 1024 * 1024;
const PING_MS = 30_000;
/** How long an answer to a ping may take. */
const SILENCE_MS = 60_000;

export interface SessionOwner {
  workspaceId: string;
  /** The kind of principal, for the log. */
  principal: string;
  isStillAllowed(): Promise<boolean>;
}

interface Session {
  owner: SessionOwner;
  socket: WebSocket;
  terminal: Terminal;
  lastByteAt: number;
  lastPingAt: number;
  lastPongAt: number;
}

export interface SessionDeps {
  /** Whether its agent runs, and is meant to. */
  isWorking(workspaceId: string): Promise<boolean>;
  clock: Clock;
  log: Logger;
}

const bytesOf = (data: Buffer | ArrayBuffer | Buffer[]): Uint8Array =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data;

function readResize(text: string) {
  try {
    return resizeFrame.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

export function createSessions({ isWorking, clock, log }: SessionDeps) {
  const sessions = new Set<Session>();

  /** The shell's bytes into the socket; the shell waits while the socket does not take them. */
  function pump(session: Session): void {
    const { socket, terminal } = session;
    let paused = false;
    terminal.onData((bytes) => {
      session.lastByteAt = clock.now();
      if (socket.readyState !== socket.OPEN) return;
      socket.send(bytes, { binary: true }, () => {
        if (!paused || socket.bufferedAmount > LOW_WATER_BYTES) return;
        paused = false;
        terminal.resume?.();
      });
      if (!paused && terminal.pause && socket.bufferedAmount > HIGH_WATER_BYTES) {
        paused = true;
        terminal.pause();
        log.debug({ workspace_id: session.owner.workspaceId }, 'a terminal waits for its reader');
      }
      if (socket.bufferedAmount > MOST_BUFFERED_BYTES) socket.close(1013, 'too slow for what the shell prints');
    });
  }

  /** Why its shell ended, in words for the person who looks at it. */
  async function explainEnd({ owner, socket }: Session): Promise<void> {
    const stopped = !(await isWorking(owner.workspaceId).catch(() => true));
    socket.close(1000, stopped ? 'the agent was stopped' : 'the shell has ended');
  }

  /** @returns why the session must end; null when it may go on. */
  async function judge(session: Session): Promise<{ code: number; reason: string } | null> {
    const { socket, owner } = session;
    const now = clock.now();
    if (now - session.lastByteAt >= IDLE_MS) return { code: 4000, reason: 'nothing happened for 30 minutes' };
    const isWaiting = session.lastPingAt > session.lastPongAt;
    if (isWaiting && now - session.lastPingAt > SILENCE_MS) return { code: 1001, reason: 'no answer' };
    if (!isWaiting && now - session.lastPongAt >= PING_MS && socket.readyState === socket.OPEN) {
      session.lastPingAt = now;
      socket.ping();
    }
    return (await owner.isStillAllowed()) ? null : { code: 1008, reason: 'the credential is no longer valid' };
  }

  return {
    /** Takes the terminal over: it ends with the socket, and the socket with it. */
    accept(socket: WebSocket, terminal: Terminal, owner: SessionOwner): void {
      const openedAt = clock.now();
      const times = { lastByteAt: openedAt, lastPingAt: openedAt, lastPongAt: openedAt };
      const session: Session = { owner, socket, terminal, ...times };
      const facts = { workspace_id: owner.workspaceId, terminal_id: randomUUID(), principal: owner.principal };
      sessions.add(session);
      log.info(facts, 'a terminal was opened');
      socket.on('message', (data, isBinary) => {
        session.lastByteAt = clock.now();
        if (isBinary) return terminal.write(bytesOf(data));
        const size = readResize(data.toString());
        if (size) terminal.resize({ cols: size.cols, rows: size.rows });
        else socket.close(1003, 'a text frame must be a resize');
      });
      socket.on('pong', () => {
        session.lastPongAt = clock.now();
      });
      socket.on('error', (error) => log.debug({ err: error, ...facts }, 'a terminal socket failed'));
      socket.on('close', (code) => {
        sessions.delete(session);
        terminal.close();
        log.info({ ...facts, code, seconds: Math.round((clock.now() - openedAt) / 1000) }, 'a terminal was closed');
      });
      terminal.onEnd(() => void explainEnd(session));
      pump(session);
    },

    /** Ends what is idle, silent or no longer allowed. @returns how many. */
    async sweep(): Promise<number> {
      let ended = 0;
      for (const session of [...sessions]) {
        const verdict = await judge(session);
        if (!verdict) continue;
        session.socket.close(verdict.code, verdict.reason);
        // At once: the other side may take its time over the farewell.
        session.terminal.close();
        ended += 1;
      }
      return ended;
    },

    close(): void {
      for (const { socket } of sessions) socket.close(1001, 'the platform is stopping');
    },
  };
}
