// A disk that runs full under the embedded database: writes are refused while there is still room for its log, reads go on.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosenStore, createDataDir, mountSmallDisk, type SmallDisk } from '@molecule/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { createLog } from '../../log.ts';
import { isStoreFull } from '../../store-errors.ts';
import { type Database, openDatabase } from '../index.ts';
import { watchFreeSpace } from './free-space.ts';

const MEGABYTE = 1024 * 1024;
const FLOOR_MEGABYTES = 60;

let disk: SmallDisk | null = null;
let db: Database | null = null;
afterEach(async () => {
  await db?.close();
  disk?.remove();
  disk = null;
  db = null;
});

describe.skipIf(chosenStore() === 'postgres')('a disk that runs full', { timeout: 60_000 }, () => {
  it('has writes refused as store_full below the floor, and taken again above it', async (context) => {
    disk = mountSmallDisk(250);
    if (!disk) return context.skip('only root may mount a small disk');
    const opened = await openDatabase({
      url: null,
      dataDir: await createDataDir(disk.path),
      log: createLog('silent'),
      minFreeBytes: FLOOR_MEGABYTES * MEGABYTE,
    });
    db = opened;
    await opened.pool.query('create table notes (id serial primary key)');
    const write = () => opened.pool.query('insert into notes default values');
    const isRefused = () =>
      write().then(
        () => false,
        (error: unknown) => isStoreFull(error),
      );
    disk.fillUpTo(FLOOR_MEGABYTES - 10);
    await expect.poll(isRefused, { timeout: 10_000 }).toBe(true);
    const { rows } = await opened.pool.query('select count(*) as n from notes');
    await opened.maintain();
    expect(await isRefused()).toBe(true);
    expect((await opened.pool.query('select count(*) as n from notes')).rows).toEqual(rows);
    disk.empty();
    await expect.poll(isRefused, { timeout: 10_000 }).toBe(false);
  });

  it('refuses to open a database that could not be written to', async (context) => {
    disk = mountSmallDisk(150);
    if (!disk) return context.skip('only root may mount a small disk');
    const dataDir = await createDataDir(disk.path);
    disk.fillUpTo(20);
    const minFreeBytes = FLOOR_MEGABYTES * MEGABYTE;
    await expect(openDatabase({ url: null, dataDir, log: createLog('silent'), minFreeBytes })).rejects.toMatchObject({
      code: 'disk_full',
      message: `the disk under ${dataDir} is full: 20 MB free, 62 MB needed`,
    });
  });
});

describe('the watch over free space', () => {
  it('looks once a second, not for every statement', () => {
    let time = 0;
    const dir = mkdtempSync(join(tmpdir(), 'molecule-watched-'));
    const isFull = watchFreeSpace(dir, Number.POSITIVE_INFINITY, () => time);
    expect(isFull()).toBe(true);
    // A look at what is gone would throw.
    rmSync(dir, { recursive: true });
    time = 999;
    expect(isFull()).toBe(true);
    time = 1_000;
    expect(isFull).toThrow('ENOENT');
  });
});
