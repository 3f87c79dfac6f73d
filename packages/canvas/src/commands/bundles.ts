// Taking a team out as a bundle and bringing one in (spec chapter 50 §8.4). What a file holds is bundle-files.ts'.

import type { ImportedBundle } from '@molecule/contract';
import { api } from '../app/api.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { rehydrate, select, type WorkspaceNode } from '../live/index.ts';
import { plural, saveAs, toast } from '../ui/index.ts';
import { bundleFileName, isBundleFile, listImported, readBundle } from './bundle-files.ts';

/** Reads and writes the files of every workspace in it. */
const TIMEOUT_MS = 120_000;

/** Saves a workspace with all below it. */
export async function exportBundle({ id, name }: Pick<WorkspaceNode, 'id' | 'name'>): Promise<void> {
  try {
    const bundle = await api.exportBundle({ params: { id }, timeoutMs: TIMEOUT_MS });
    const file = bundleFileName(name);
    saveAs(file, new Blob([JSON.stringify(bundle, null, 2)], { type: 'application/json' }));
    toast.success(`${file} saved, without secrets`);
  } catch (error) {
    toast.error(`${name} could not be exported: ${(error as Error).message}`);
  }
}

function report(file: File, root: ImportedBundle): void {
  const all = listImported(root);
  void rehydrate();
  if (all.some(({ status }) => status === 'failed')) {
    openDialog({ kind: 'bundle-result', file: file.name, root });
    return;
  }
  if (root.workspace_id) select(root.workspace_id, 'details');
  toast.success(`${root.name} imported, ${plural(all.length, 'workspace')}`);
}

async function importBundle(file: File): Promise<void> {
  try {
    const body = await readBundle(file);
    toast.info(`Importing ${file.name}`);
    report(file, await api.importBundle({ body, timeoutMs: TIMEOUT_MS }));
  } catch (error) {
    toast.error(`${file.name} was not imported: ${(error as Error).message}`);
  }
}

/** Brings in every bundle among the files, one after the other; of the others it says that they are none. */
export async function importBundles(files: readonly File[]): Promise<void> {
  const others = files.filter((file) => !isBundleFile(file)).map(({ name }) => name);
  if (others.length > 0) toast.error(`${others.join(', ')} ignored: a bundle is called something.bundle.json`);
  for (const file of files.filter(isBundleFile)) await importBundle(file);
}

/** The keyboard's way to drop one. */
export function chooseBundles(): void {
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = true;
  input.accept = '.bundle.json,application/json';
  input.onchange = () => void importBundles([...(input.files ?? [])]);
  input.click();
}
