// send_message_to_user (chapter 40 §13): says something to the person now, with files, before the turn ends.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, copyFile, mkdir, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, sep } from 'node:path';
import { toSafeName } from '../file-names.ts';
import { UPLOADS } from '../workspace-folder.ts';
import type { ToolDeps } from './index.ts';
import { PlatformRefusal, readSelf } from './platform-answers.ts';
import { type SharedFile, typeOfFile, uploadOwnFiles } from './share-files.ts';
import type { ToolSpec } from './tool.ts';

const MOST_FILES = 20;
const MOST_FILE_BYTES = 25 * 1024 * 1024;

class AttachmentError extends Error {}

export function createMessageTool({ client, workspaceRoot }: ToolDeps): ToolSpec {
  /** What the agent calls `/workspace/x` lies below the root on disk. */
  const toDisk = (path: string) =>
    path === '/workspace' || path.startsWith('/workspace/')
      ? join(workspaceRoot, path.slice('/workspace'.length))
      : path;

  async function check(given: string): Promise<string> {
    const path = toDisk(given.replace(/^workspace:/, ''));
    if (!isAbsolute(path)) throw new AttachmentError(`${given} is not an absolute path`);
    try {
      await access(path, constants.R_OK);
      const stats = await stat(path);
      if (!stats.isFile()) throw new AttachmentError(`${given} is not a file`);
      if (stats.size > MOST_FILE_BYTES) throw new AttachmentError(`${given} is larger than 25 MB`);
      return await realpath(path);
    } catch (error) {
      if (error instanceof AttachmentError) throw error;
      throw new AttachmentError(`${given} does not exist or cannot be read`);
    }
  }

  /** A file below the workspace is served where it is; any other is copied to where the platform may read it. */
  async function stage(path: string): Promise<SharedFile> {
    await mkdir(workspaceRoot, { recursive: true });
    const root = await realpath(workspaceRoot);
    const { size } = await stat(path);
    const name = basename(path);
    const mimeType = await typeOfFile(path, name);
    if (path.startsWith(root + sep)) {
      const below = path.slice(root.length + 1).split(sep);
      return { uri: `workspace:/workspace/${below.join('/')}`, name, mimeType, size };
    }
    const stored = `${randomBytes(16).toString('hex')}-${toSafeName(name)}`;
    await mkdir(join(root, UPLOADS), { recursive: true });
    await copyFile(path, join(root, UPLOADS, stored), constants.COPYFILE_EXCL);
    return { uri: `workspace:/workspace/${UPLOADS}/${stored}`, name, mimeType, size };
  }

  /** Nobody can call a poll-mode agent for its files: it leaves them at the platform. */
  async function share(paths: readonly string[], signal: AbortSignal): Promise<SharedFile[]> {
    if (paths.length === 0) return [];
    const { delivery_mode: mode } = await readSelf(client, { signal });
    if (mode === 'poll')
      return await uploadOwnFiles(
        client,
        paths.map((path) => ({ path, name: basename(path) })),
        signal,
      );
    const staged: SharedFile[] = [];
    for (const path of paths) staged.push(await stage(path));
    return staged;
  }

  return {
    name: 'send_message_to_user',
    description: 'Shows a message to the person now, with files if you like.',
    whenToUse: 'Use it for progress or files in the middle of a turn; the final answer needs no tool.',
    inputSchema: {
      type: 'object',
      properties: {
        message: { type: 'string' },
        attachments: { type: 'array', items: { type: 'string' }, description: 'Absolute paths of files.' },
      },
      required: ['message'],
    },
    async run(input, context) {
      const message = typeof input.message === 'string' ? input.message.trim() : '';
      if (message === '') return { ok: false, error: 'message is required' };
      const given = Array.isArray(input.attachments) ? input.attachments : [];
      const paths = given.filter((one): one is string => typeof one === 'string' && one !== '');
      if (paths.length > MOST_FILES) return { ok: false, error: `at most ${MOST_FILES} files` };
      try {
        // All are checked before any is touched: half a message is worse than none.
        const checked: string[] = [];
        for (const path of paths) checked.push(await check(path));
        const attachments = await share(checked, context.signal);
        const response = await client.request('POST', `/workspaces/${client.workspaceId}/notify`, {
          signal: context.signal,
          body: { message, ...(attachments.length > 0 ? { attachments } : {}) },
        });
        if (response.status !== 200) throw new PlatformRefusal(response);
        return { ok: true, status: 'sent', attachments: attachments.length };
      } catch (error) {
        if (context.signal.aborted) throw error;
        if (error instanceof AttachmentError) return { ok: false, error: error.message, hint: 'Nothing was sent.' };
        const reason = error instanceof PlatformRefusal ? error.message : 'the platform could not be reached';
        return { ok: false, error: reason, hint: 'Nothing was sent.' };
      }
    },
  };
}
