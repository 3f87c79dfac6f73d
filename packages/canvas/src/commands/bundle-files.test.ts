import { BUNDLE_LIMIT, type ImportedBundle } from '@molecule/contract';
import { describe, expect, it } from 'vitest';
import { bundleFileName, isBundleFile, listImported, readBundle } from './bundle-files.ts';

const fileOf = (text: string) => new File([text], 'team.bundle.json');

describe('a bundle as a file', () => {
  it.each([
    ['Growth Lead', 'growth-lead.bundle.json'],
    ['  Zoë & Söhne / 2  ', 'zoë-söhne-2.bundle.json'],
    ['../../etc', 'etc.bundle.json'],
    ['***', 'workspace.bundle.json'],
  ])('%j is saved as %s', (name, file) => {
    expect(bundleFileName(name)).toBe(file);
    expect(isBundleFile({ name: file })).toBe(true);
  });

  it('is told by its ending', () => {
    expect(isBundleFile({ name: 'TEAM.Bundle.JSON' })).toBe(true);
    expect(isBundleFile({ name: 'package.json' })).toBe(false);
    expect(isBundleFile({ name: 'team.bundle.json.txt' })).toBe(false);
  });

  it('is read as it stands', async () => {
    expect(await readBundle(fileOf('{"name":"Lead","sub_workspaces":[]}'))).toEqual({
      name: 'Lead',
      sub_workspaces: [],
    });
  });

  it.each([
    ['{"name":', 'it is not JSON'],
    ['[1]', 'it is not a bundle'],
    ['null', 'it is not a bundle'],
  ])('%j is refused: %s', async (text, reason) => {
    await expect(readBundle(fileOf(text))).rejects.toThrow(reason);
  });

  it('is not even read when it is too large', async () => {
    const huge = { size: BUNDLE_LIMIT + 1, text: () => Promise.reject(new Error('was read')) };
    await expect(readBundle(huge)).rejects.toThrow('it is larger than 16.0 MB');
  });
});

it('what came of an import is listed from the root down', () => {
  const one = (name: string, children: ImportedBundle[] = []): ImportedBundle => ({
    workspace_id: name,
    name,
    status: 'provisioning',
    children,
  });
  const names = listImported(one('lead', [one('first', [one('deep')]), one('second')])).map(({ name }) => name);
  expect(names).toEqual(['lead', 'first', 'deep', 'second']);
});
