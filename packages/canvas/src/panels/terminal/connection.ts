// One socket to the shell of a workspace (chapter 10 §2.6): bytes both ways, the window's size, and why it ended or never began.
// Knows nothing of what is drawn.

import { ApiError, readError } from '@molecule/contract';
import { api } from '../../app/api.ts';

/** What the server takes in one frame is 64 KiB; a paste may be longer. */
const MOST_FRAME_BYTES = 16 * 1024;

export type ConnectionEnd =
  /** It was open, and is not any more. */
  | { kind: 'closed'; reason: string }
  /** It never opened. */
  | { kind: 'unavailable'; reason: string };

export interface ConnectionEvents {
  onOpen(): void;
  onBytes(bytes: Uint8Array): void;
  onEnd(end: ConnectionEnd): void;
}

export interface ShellConnection {
  write(text: string): void;
  resize(size: { cols: number; rows: number }): void;
  /** Ends it without a word to `onEnd`. */
  close(): void;
}

/** Without the final stop: it follows a colon on the status line. */
const asReason = (text: string) => text.replace(/\.$/, '');

/** A browser keeps to itself why an upgrade was refused, so the same address is asked once more in the open. */
async function askWhy(path: string): Promise<string> {
  try {
    const response = await api.raw('GET', path);
    // The way is free by now, or something between here and the platform does not let sockets pass.
    if (response.status === 426) return 'the connection failed';
    const error = await readError(response);
    return error.status === 404 ? 'not running' : asReason(error.message);
  } catch (error) {
    return error instanceof ApiError ? asReason(error.message) : 'the connection failed';
  }
}

export function connectShell(workspaceId: string, events: ConnectionEvents): ShellConnection {
  const path = `/workspaces/${workspaceId}/terminal`;
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${path}`);
  socket.binaryType = 'arraybuffer';
  let wasOpen = false;
  let left = false;

  socket.addEventListener('open', () => {
    wasOpen = true;
    if (!left) events.onOpen();
  });
  socket.addEventListener('message', ({ data }) => {
    if (!left && data instanceof ArrayBuffer) events.onBytes(new Uint8Array(data));
  });
  socket.addEventListener('close', ({ reason }) => {
    if (left) return;
    if (wasOpen) {
      events.onEnd({ kind: 'closed', reason: reason || 'the connection was lost' });
      return;
    }
    void askWhy(path).then((why) => {
      if (!left) events.onEnd({ kind: 'unavailable', reason: why });
    });
  });

  const isOpen = () => socket.readyState === WebSocket.OPEN;
  return {
    write(text) {
      if (!isOpen()) return;
      const bytes = new TextEncoder().encode(text);
      for (let from = 0; from < bytes.length; from += MOST_FRAME_BYTES)
        socket.send(bytes.subarray(from, from + MOST_FRAME_BYTES));
    },
    resize({ cols, rows }) {
      if (isOpen()) socket.send(JSON.stringify({ type: 'resize', cols, rows }));
    },
    close() {
      left = true;
      socket.close();
    },
  };
}
