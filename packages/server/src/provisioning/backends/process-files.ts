// The files API on process workloads (chapter 30 §3.4): its four roots are folders of this machine, whether the workload runs or not.

import type { FileStore } from '../file-store.ts';
import { listFolder, readFromFolder, removeFromFolder, writeIntoFolder } from '../folder-files.ts';
import type { ProcessFolders } from './process-folder.ts';

export function createProcessFiles({ fileRoot }: ProcessFolders): FileStore {
  return {
    source: async () => 'directory',
    list: async (id, root, path, depth) => listFolder(fileRoot(id, root), path, depth),
    read: async (id, root, path, limitBytes) => readFromFolder(fileRoot(id, root), path, limitBytes),
    write: async (id, files) => writeIntoFolder(fileRoot(id, '/configs'), files),
    remove: async (id, path) => removeFromFolder(fileRoot(id, '/configs'), path),
  };
}
