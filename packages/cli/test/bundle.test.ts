// `molecule bundle`: a team out of a platform and in again.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ProcessSeats, startProcessSeats } from '../../server/test/process-seats.ts';
import { accessTo, endCommands, makeFolder, run } from './cli.ts';

afterAll(endCommands);

let seats: ProcessSeats;
let env: Record<string, string>;
let folder: string;

beforeAll(async () => {
  seats = await startProcessSeats();
  env = accessTo(seats);
  folder = makeFolder();
});
afterAll(() => seats?.stop());

const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

it('what export prints, import takes: the same tree with other ids', async () => {
  const id = await seats.create('', { name: 'Lead', secrets: { PASSWORD: 'never-in-a-file' } });
  await seats.until(id, 'online');
  await seats.create('', { name: 'Member', parent_id: id });
  const exported = await run(['bundle', 'export', 'lead'], env);
  expect([exported.code, exported.err]).toEqual([0, '']);
  expect(exported.out).not.toContain('never-in-a-file');
  expect(exported.json()).toMatchObject({ schema: '1.0', id, sub_workspaces: [{ name: 'Member' }] });

  const file = write('lead.bundle.json', exported.out);
  const people = await run(['bundle', 'import', file], env);
  expect(people).toMatchObject({ code: 0, err: expect.stringContaining('molecule status') });
  expect(people.out).toMatch(/^Lead +provisioning +[0-9a-f-]{36}\n {2}Member +provisioning +[0-9a-f-]{36}$/m);
  const program = await run(['bundle', 'import', file, '--json'], env);
  expect(program.json()).toMatchObject({ ok: true, name: 'Lead', children: [{ name: 'Member' }] });
  const rows = await seats.admin.listWorkspaces();
  expect(rows.filter((row) => row.source_bundle_id === id)).toHaveLength(2);
});

it('a workspace that fails is exit code 1 with its reason; a file that is none is wrong usage', async () => {
  const broken = { name: 'Broken', prompts: { 'config.yaml': 'runtime: echo', '../x': 'x' } };
  const failed = await run(['bundle', 'import', write('broken.json', JSON.stringify(broken))], env);
  expect(failed).toMatchObject({ code: 1, out: expect.stringMatching(/^Broken +failed/m) });
  expect(failed.err).toMatch(/^molecule: Broken: .*\.\.\n/);
  const unknown = { name: 'a', prompts: { 'config.yaml': 'runtime: nonsense' } };
  expect(await run(['bundle', 'import', write('unknown.json', JSON.stringify(unknown)), '--json'], env)).toMatchObject({
    code: 1,
    err: '',
    out: expect.stringContaining('unknown_runtime'),
  });
  const [absent, text] = await Promise.all([
    run(['bundle', 'import', join(folder, 'nowhere.json')], env),
    run(['bundle', 'import', write('text.json', 'no JSON')], env),
  ]);
  expect([absent.code, text.code]).toEqual([2, 2]);
  expect(absent.err).toContain('nowhere.json cannot be read');
  expect(text.err).toContain('text.json holds no JSON');
});
