// The contract every backend keeps (chapter 10 §7.1), asked of whatever the caller opens: a suite, not a test file of its own.
// What only one backend has (ports, tiers, images, adoption) is tested beside that backend.

import { afterEach, describe, expect, it } from 'vitest';
import { type Backend, OvertakenError, type WorkloadExit, type WorkloadSpec } from '../src/provisioning/backend.ts';

export interface BackendSubject {
  backend: Backend;
  exits: WorkloadExit[];
  /** A workload that comes up and stays; the same id unless `changes` has another. */
  spec(changes?: Partial<WorkloadSpec>): WorkloadSpec;
  /** Cuts the backend off from what runs the workloads, so that it cannot know; absent where nothing can be cut. */
  cutOff?(): Promise<void>;
  close(): Promise<void>;
}

const OTHER = '7c1f0f9e-2f0b-4f9a-8f6e-5f4b0d8c2a02';

/** @param open a fresh backend with nothing running; closed after each test. */
export function describeBackendContract(name: string, open: () => Promise<BackendSubject>): void {
  describe(`the backend contract on ${name}`, () => {
    const subjects: BackendSubject[] = [];
    const fresh = async () => {
      const subject = await open();
      subjects.push(subject);
      return subject;
    };
    afterEach(async () => {
      for (const subject of subjects.splice(0)) await subject.close();
    });

    it('stopping what was never started, and stopping twice, is success', async () => {
      const { backend, spec } = await fresh();
      const { id } = spec();
      await backend.stop(id);
      expect(await backend.isRunning(id)).toEqual({ running: false });
      await backend.start(spec());
      await Promise.all([backend.stop(id), backend.stop(id)]);
      await backend.stop(id);
      expect(await backend.isRunning(id)).toEqual({ running: false });
    });

    it('a started workload runs, is listed as ours, and a second start replaces it', async () => {
      const { backend, spec, exits } = await fresh();
      const { id } = spec();
      await backend.start(spec());
      expect(await backend.isRunning(id)).toEqual({ running: true });
      expect(await backend.isRunning(OTHER)).toEqual({ running: false });
      await backend.start(spec());
      expect(await backend.isRunning(id)).toEqual({ running: true });
      expect((await backend.listManaged()).filter((one) => one === id)).toEqual([id]);
      // A stop that was asked for is no news.
      await backend.stop(id);
      expect(exits).toEqual([]);
    });

    it('an address that cannot be stored ends the start, and nothing is left running', async () => {
      const { backend, spec } = await fresh();
      const { id } = spec();
      const refused = spec({
        publish: () => Promise.reject(new OvertakenError('gone')),
        record: () => Promise.reject(new OvertakenError('gone')),
      });
      await expect(backend.start(refused)).rejects.toThrow('gone');
      expect(await backend.isRunning(id)).toEqual({ running: false });
    });

    it('after a shutdown nothing starts', async () => {
      const { backend, spec } = await fresh();
      await backend.shutdown();
      await expect(backend.start(spec())).rejects.toThrow(OvertakenError);
      expect(await backend.isRunning(spec().id)).toMatchObject({ running: false });
    });

    it('a backend that cannot know says running, with the error, and does not claim to have stopped', async (context) => {
      const { backend, spec, cutOff } = await fresh();
      if (!cutOff) return context.skip('nothing can come between this backend and its workloads');
      await backend.start(spec());
      await cutOff();
      expect(await backend.isRunning(spec().id)).toEqual({ running: true, error: expect.any(Error) });
      await expect(backend.stop(spec().id)).rejects.toThrow();
    });

    it('config files survive a stop, and are gone with the volumes', async (context) => {
      const { backend, spec } = await fresh();
      if (!backend.deliversTokens) return context.skip('its files live on the machine');
      const { id } = spec();
      await backend.start(spec({ files: { 'config.yaml': 'name: Seat\n', 'prompts/a.md': 'hello' } }));
      await backend.writeFiles(id, { 'prompts/b.md': 'ä\n' });
      await backend.stop(id);
      expect(await backend.readConfigFile(id, 'prompts/a.md')).toBe('hello');
      expect(await backend.readConfigFile(id, 'prompts/b.md')).toBe('ä\n');
      expect(await backend.readConfigFile(id, 'prompts/c.md')).toBeNull();
      expect(await backend.listManaged()).toContain(id);
      await backend.removeVolumes(id);
      expect(await backend.readConfigFile(id, 'prompts/a.md')).toBeNull();
      expect(await backend.listManaged()).not.toContain(id);
    });

    it('the file store finds what was written, stays inside its roots, and deletes files only', async (context) => {
      const { backend, spec } = await fresh();
      const { files } = backend;
      if (!files) return context.skip('this backend has no file store');
      const { id } = spec();
      await backend.start(spec());
      await files.write(id, { 'notes/one.md': 'first', 'two.md': 'second' });
      const paths = async (depth: number) =>
        (await files.list(id, '/configs', '', depth)).map((entry) => entry.path).sort();
      expect(await paths(1)).toEqual(expect.arrayContaining(['notes', 'two.md']));
      expect(await paths(1)).not.toContain('notes/one.md');
      expect(await paths(2)).toContain('notes/one.md');
      expect(await files.list(id, '/configs', 'nowhere', 5)).toEqual([]);
      expect(Buffer.from((await files.read(id, '/configs', 'notes/one.md', 100)) ?? []).toString()).toBe('first');
      expect(await files.read(id, '/configs', 'none.md', 100)).toBeNull();
      await expect(files.read(id, '/configs', 'notes/one.md', 2)).rejects.toMatchObject({ name: 'FileTooLargeError' });
      expect(await files.remove(id, 'two.md')).toBe(true);
      expect(await files.remove(id, 'two.md')).toBe(false);
      await backend.stop(id);
      // Whether it runs or not.
      expect(Buffer.from((await files.read(id, '/configs', 'notes/one.md', 100)) ?? []).toString()).toBe('first');
    });
  });
}
