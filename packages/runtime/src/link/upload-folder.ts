// Where files of the inbox are kept and what the agent calls them there (chapter 40 §12.1).

import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UPLOADS } from '../workspace-folder.ts';
import type { UploadFolder } from './inbox-uploads.ts';

function isWritable(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Outside of a workspace the address is the file's own. */
export const folderOutside = (path: string): UploadFolder => ({
  path,
  uriOf: (stored) => pathToFileURL(join(path, stored)).href,
});

/** The upload folder of the workspace; on a machine where that cannot be written to, `elsewhere`. */
export function chooseUploadFolder(workspaceRoot: string, elsewhere: string): UploadFolder {
  const path = join(workspaceRoot, UPLOADS);
  if (!isWritable(path)) return folderOutside(elsewhere);
  return { path, uriOf: (stored) => `workspace:/workspace/${UPLOADS}/${stored}` };
}
