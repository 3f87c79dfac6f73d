// Shells beside process workloads (chapter 10 §2.6, §7.5): each runs in the workload's directory with the workload's own
// environment, and ends with it.

import { loadShells } from '../pty.ts';
import type { Terminal, TerminalSize } from '../terminal.ts';
import type { ProcessFolders } from './process-folder.ts';
import { type ProcessRecord, readEnvironment } from './process-record.ts';

interface Beside {
  record: ProcessRecord;
  /** Null for a workload an earlier platform process started. */
  environment: Record<string, string> | null;
}

export function createProcessTerminals(folders: ProcessFolders, hostEnvironment: Readonly<Record<string, string>>) {
  const open = new Map<string, Set<Terminal>>();

  /** The same as its agent's: built from scratch, so nothing of the platform is in it, and a stray is known by it. */
  function environmentOf(id: string, { record, environment }: Beside): Record<string, string> {
    const workspaceDir = folders.hostFolder(id);
    return (
      environment ??
      readEnvironment(record.pid) ?? {
        ...hostEnvironment,
        ...folders.environment({ id, workspaceDir, resetSession: false }, record.port),
      }
    );
  }

  return {
    /** @param find the running workload, null when there is none; asked last. @throws NoTerminalError */
    async open(id: string, size: TerminalSize, find: () => Beside | null): Promise<Terminal | null> {
      const openShell = await loadShells();
      const workload = find();
      if (!workload) return null;
      const siblings = open.get(id) ?? new Set();
      const terminal = openShell({
        folder: folders.fileRoot(id, '/workspace'),
        environment: environmentOf(id, workload),
        size,
        onGone() {
          siblings.delete(terminal);
          if (siblings.size === 0 && open.get(id) === siblings) open.delete(id);
        },
      });
      open.set(id, siblings.add(terminal));
      return terminal;
    },
    closeAll(id: string): void {
      for (const terminal of open.get(id) ?? []) terminal.close();
    },
  };
}
