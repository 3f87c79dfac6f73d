// Files: those of the chat, streamed to and from push-mode agents (agent-door.ts) and kept for poll-mode ones (staging.ts); what
// an agent tells of its session (transcript.ts); and the folders of a seat (folders.ts). Mounts them; owns no rule.

import { fileRoutes, pendingUploadRoutes, transcriptRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Activity } from '../activity/index.ts';
import type { Database } from '../platform/db/index.ts';
import { type Authorize, HANDLED, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Outbound } from '../platform/outbound/index.ts';
import type { Principal } from '../platform/principal.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { assertAgentPath, createAgentDoor, type ReadInboundSecret } from './agent-door.ts';
import { createFolders, type FoldersDeps } from './folders.ts';
import { assertForm, drainRest } from './form.ts';
import { createUploadLoop } from './loops.ts';
import { createStaging } from './staging.ts';
import { createDatabaseStorage, type UploadStorage } from './storage.ts';
import { createTranscripts } from './transcript.ts';

export { judgePath } from './paths.ts';

export interface FilesDeps {
  db: Database;
  folders: Pick<FoldersDeps, 'store' | 'findTemplate' | 'readModel'>;
  workspaces: Workspaces;
  activity: Activity;
  outbound: Outbound;
  readInboundSecret: ReadInboundSecret;
  metrics: Metrics;
  log: Logger;
}

export interface Files {
  /** Where staged files lie. */
  uploads: UploadStorage;
  loops: Loop[];
  mount(app: FastifyInstance, authorize: Authorize): void;
}

const isOwn = (principal: Principal, id: string) => principal.kind === 'workspace' && principal.workspaceId === id;

export function createFiles(deps: FilesDeps): Files {
  const { workspaces, outbound, log } = deps;
  const folders = createFolders({ ...deps.folders, workspaces, log });
  const door = createAgentDoor({ workspaces, outbound, readInboundSecret: deps.readInboundSecret, log });
  const uploads = createDatabaseStorage(deps.db);
  const staging = createStaging({ storage: uploads, activity: deps.activity, log });
  const transcripts = createTranscripts({ workspaces, secretOf: door.secretOf, outbound, log });

  return {
    uploads,
    loops: [createUploadLoop(uploads, deps.metrics)],
    mount(app, authorize) {
      const { uploadChatFiles, downloadChatFile, ...folderRoutes } = fileRoutes;
      mount(
        app,
        { ...folderRoutes, ...pendingUploadRoutes, ...transcriptRoutes },
        {
          listFiles: ({ params, query }) => folders.list(params.id, query.root, query.path, query.depth),
          readFile: ({ params, query }) => folders.read(params.id, query.root, params.path),
          replaceFiles: ({ params, body }) => folders.replace(params.id, body.files),
          writeFile: ({ params, body }) => folders.write(params.id, params.path, body.content),
          deleteFile: ({ params }) => folders.remove(params.id, params.path),
          fetchPendingUpload: async ({ params, reply }) => {
            await staging.send(params.id, params.fileId, reply);
            return HANDLED;
          },
          ackPendingUpload: async ({ params }) => {
            await staging.ack(params.id, params.fileId);
            return { status: 'acked' as const };
          },
          readTranscript: async ({ params, query, principal, request }) =>
            await transcripts.fetch(
              params.id,
              query,
              isOwn(principal, params.id) ? (request.headers.authorization ?? null) : null,
            ),
        },
        authorize,
      );
      // In a scope of its own: everywhere else a form is refused.
      app.register(async (scope) => {
        scope.addContentTypeParser('multipart/form-data', (_request, payload, done) => done(null, payload));
        mount(
          scope,
          { uploadChatFiles, downloadChatFile },
          {
            uploadChatFiles: async ({ params, principal, request, reply }) => {
              try {
                const target = await door.findTarget(params.id);
                assertForm(request);
                if (target.deliveryMode !== 'poll') return await door.upload(target, request, reply);
                const direction = isOwn(principal, params.id) ? 'outbound' : 'inbound';
                return { files: await staging.stage(params.id, direction, request.raw) };
              } finally {
                drainRest(request.raw);
              }
            },
            downloadChatFile: async ({ params, query, reply }) => {
              assertAgentPath(query.path);
              return await door.download(await door.findTarget(params.id), query.path, reply);
            },
          },
          authorize,
        );
      });
    },
  };
}
