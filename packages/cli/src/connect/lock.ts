// One `molecule connect` for each state folder: two would answer every message twice.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../failure.ts';

const FILE = 'connect.pid';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What a killed process left is taken over. @returns how to give it back. @throws CommandError while another holds it. */
export function lockState(stateDir: string): () => void {
  const path = join(stateDir, FILE);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const take = () => writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
  try {
    take();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const pid = Number(readFileSync(path, 'utf8'));
    if (Number.isInteger(pid) && pid > 0 && pid !== process.pid && isAlive(pid))
      throw new CommandError(
        `another molecule connect (process ${pid}) answers for this workspace already`,
        `end it first; if it is something else, delete ${path}`,
      );
    rmSync(path, { force: true });
    take();
  }
  return () => rmSync(path, { force: true });
}
