// Files: those of the chat (chapter 20 §7), the folders of a seat (chapter 30 §3.4), its session log (chapter 20 §10), and its
// shell (chapter 10 §2.6).

import { z } from 'zod';
import { idParams, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

/** Of one upload, with everything in it. */
export const UPLOAD_LIMIT = 52_428_800;
/** Of one file in it. */
export const UPLOADED_FILE_LIMIT = 26_214_400;

const agentErrors = [
  'not_found',
  'agent_no_url',
  'agent_not_reachable',
  'inbound_secret_missing',
  'agent_unreachable',
  'agent_url_refused',
] as const;

/** What the files API hands out and takes of one file, in bytes. */
export const FILE_LIMIT = 5 * 1024 * 1024;
export const MOST_FILES = 200;
/** Text grows when it is escaped as JSON. */
const FILES_BODY_LIMIT = 8 * 1024 * 1024;

export const fileRoot = z.enum(['/configs', '/workspace', '/home', '/plugins']);
export type FileRootName = z.output<typeof fileRoot>;
/** Only there may be written. */
const writableRoot = z.object({ root: z.literal('/configs').default('/configs') });
const fileParams = z.object({ id: uuid, path: z.string() });
const folderErrors = ['invalid_request', 'not_found', 'files_failed', 'files_unavailable'] as const;

export const fileEntry = z.object({ path: z.string(), size: z.number(), dir: z.boolean() });
export type FileEntryRow = z.output<typeof fileEntry>;
/** `content` is the text of the file, or base64 where `encoding` says so: what is not UTF-8. */
export const fileContent = z.object({
  path: z.string(),
  content: z.string(),
  size: z.number(),
  encoding: z.literal('base64').optional(),
});

/** The size of a terminal's window; as a text frame of its socket, with `type: "resize"`. */
export const resizeFrame = z.object({
  type: z.literal('resize'),
  cols: z.number().int().min(1).max(1_000),
  rows: z.number().int().min(1).max(1_000),
});

export const uploadedFile = z.object({ uri: z.string(), name: z.string(), mimeType: z.string(), size: z.number() });

export const fileRoutes = defineRoutes({
  uploadChatFiles: {
    method: 'POST',
    path: '/workspaces/:id/chat/uploads',
    auth: 'SELF',
    summary:
      'Streams files (multipart, field `files`, 25 MB each) to the agent of a workspace, or keeps them until it fetches them.',
    params: idParams,
    rawBody: true,
    bodyLimit: UPLOAD_LIMIT,
    transport: 'bytes',
    replies: { 200: z.object({ files: z.array(uploadedFile) }) },
    errors: [
      'unsupported_media_type',
      'body_too_large',
      'invalid_multipart',
      'no_files',
      'uploads_full',
      ...agentErrors,
    ],
  },
  downloadChatFile: {
    method: 'GET',
    path: '/workspaces/:id/chat/download',
    auth: 'SELF',
    summary: 'Streams a file an agent attached.',
    params: idParams,
    query: z.object({ path: z.string().max(4096) }),
    transport: 'bytes',
    replies: { 200: z.unknown() },
    errors: ['invalid_request', ...agentErrors],
  },
  listFiles: {
    method: 'GET',
    path: '/workspaces/:id/files',
    auth: 'SELF',
    summary: 'Files and folders of a workspace, at most `depth` levels below `path`.',
    params: idParams,
    query: z.object({
      root: fileRoot.default('/configs'),
      path: z.string().default(''),
      depth: z.coerce.number().int().min(1).max(5).default(1),
    }),
    replies: { 200: z.array(fileEntry) },
    errors: folderErrors,
  },
  readFile: {
    method: 'GET',
    path: '/workspaces/:id/files/*path',
    auth: 'SELF',
    summary: 'One file of a workspace, at most 5 MiB.',
    params: fileParams,
    query: z.object({ root: fileRoot.default('/configs') }),
    replies: { 200: fileContent },
    errors: [...folderErrors, 'body_too_large'],
  },
  replaceFiles: {
    method: 'PUT',
    path: '/workspaces/:id/files',
    auth: 'SELF',
    summary: 'Writes up to 200 files of `/configs`; a `config.yaml` is generated when there is none.',
    params: idParams,
    query: writableRoot,
    body: z.object({ files: z.record(z.string(), z.string()) }),
    bodyLimit: FILES_BODY_LIMIT,
    replies: {
      200: z.object({ status: z.literal('replaced'), workspace: uuid, files: z.number(), source: z.string() }),
    },
    errors: [...folderErrors, 'body_too_large'],
  },
  writeFile: {
    method: 'PUT',
    path: '/workspaces/:id/files/*path',
    auth: 'SELF',
    summary: 'Writes one file of `/configs`, with the folders above it. Nothing is restarted.',
    params: fileParams,
    query: writableRoot,
    body: z.object({ content: z.string() }),
    bodyLimit: FILES_BODY_LIMIT,
    replies: { 200: z.object({ status: z.literal('saved'), path: z.string() }) },
    errors: [...folderErrors, 'body_too_large'],
  },
  deleteFile: {
    method: 'DELETE',
    path: '/workspaces/:id/files/*path',
    auth: 'SELF',
    summary: 'Deletes one file of `/configs`, never a folder.',
    params: fileParams,
    query: writableRoot,
    replies: { 200: z.object({ status: z.literal('deleted'), path: z.string() }) },
    errors: folderErrors,
  },
});

/** Files that wait for a poll-mode agent, or that one left for the person (chapter 20 §7.3). */
export const pendingUploadRoutes = defineRoutes({
  fetchPendingUpload: {
    method: 'GET',
    path: '/workspaces/:id/pending-uploads/:fileId/content',
    auth: 'SELF',
    summary: 'Streams a staged file, `platform-pending:<id>/<fileId>`, until it is acknowledged.',
    params: z.object({ id: uuid, fileId: uuid }),
    transport: 'bytes',
    replies: { 200: z.unknown() },
    errors: ['invalid_request', 'not_found'],
  },
  ackPendingUpload: {
    method: 'POST',
    path: '/workspaces/:id/pending-uploads/:fileId/ack',
    auth: 'SELF',
    summary: 'The agent keeps the file now; the staged copy goes. Repeating it changes nothing.',
    params: z.object({ id: uuid, fileId: uuid }),
    replies: { 200: z.object({ status: z.literal('acked') }) },
    errors: ['invalid_request', 'not_found'],
  },
});

const wholeNumber = z.string().regex(/^\d{1,15}$/, 'must be a whole number');

export const transcript = z.object({
  runtime: z.string(),
  supported: z.boolean(),
  lines: z.array(
    z.looseObject({
      type: z.enum(['user', 'agent', 'thinking', 'tool_call', 'tool_result', 'system']),
      content: z.string(),
      ts: z.string(),
      tool: z.string().optional(),
    }),
  ),
  /** What `since` is next. */
  cursor: z.number(),
  more: z.boolean(),
  source: z.string().optional(),
});
export type Transcript = z.output<typeof transcript>;

export const transcriptRoutes = defineRoutes({
  readTranscript: {
    method: 'GET',
    path: '/workspaces/:id/transcript',
    auth: 'SELF',
    summary: 'The session log of the agent, as it tells it: at most `limit` lines from number `since` on.',
    params: idParams,
    query: z.object({
      since: wholeNumber.optional(),
      limit: wholeNumber
        .refine((text) => Number(text) >= 1 && Number(text) <= 1_000, 'must be from 1 to 1000')
        .optional(),
    }),
    replies: { 200: transcript },
    errors: [
      'invalid_request',
      'not_found',
      'unsafe_url',
      'agent_no_url',
      'inbound_secret_missing',
      'agent_unreachable',
      'agent_error',
      'agent_response_too_large',
      'agent_response_unreadable',
    ],
  },
});

export const terminalRoutes = defineRoutes({
  openTerminal: {
    method: 'GET',
    path: '/workspaces/:id/terminal',
    auth: 'SELF',
    summary:
      'WebSocket of a shell beside the agent: binary frames both ways, `{"type":"resize","cols","rows"}` as text.',
    params: idParams,
    transport: 'websocket',
    replies: { 200: z.unknown() },
    errors: ['invalid_request', 'access_denied', 'origin_refused', 'not_found', 'no_terminal'],
  },
});
