// HTTP of the activity log: agents report, everybody reads by cursor, agents talk to the person (chapter 20 §5.2–5.4).

import { activityRoutes, attachment, REPORTABLE_ACTIVITY_TYPES } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { invalid, PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { ActivityService } from './service.ts';

/** An absolute path, but not the address of another host. */
const ALLOWED_URI = /^(workspace:|platform-pending:|https?:|file:\/\/\/|\/(?!\/))/i;

/** The first bad attachment refuses the whole message: nothing is broadcast or stored. */
function parseAttachments(given: unknown[]) {
  return given.map((element, index) => {
    const parsed = attachment.safeParse(element);
    if (!parsed.success || parsed.data.uri === '' || parsed.data.name === '')
      throw invalid(`attachment[${index}]`, 'uri and name are required');
    const { uri, name, mimeType, size } = parsed.data;
    if (!ALLOWED_URI.test(uri)) throw invalid(`attachment[${index}].uri`, 'this kind of address is not allowed');
    return { uri, name, ...(mimeType ? { mimeType } : {}), ...(size === undefined ? {} : { size }) };
  });
}

export type Attachment = ReturnType<typeof parseAttachments>[number];

function assertReportable(type: string): void {
  if ((REPORTABLE_ACTIVITY_TYPES as readonly string[]).includes(type)) return;
  throw new PlatformError('invalid_request', `activity_type: must be one of ${REPORTABLE_ACTIVITY_TYPES.join(', ')}`, {
    field: 'activity_type',
    valid_types: REPORTABLE_ACTIVITY_TYPES,
  });
}

export function mountActivityRoutes(app: FastifyInstance, authorize: Authorize, service: ActivityService): void {
  mount(
    app,
    activityRoutes,
    {
      reportActivity: async ({ params, body }) => {
        assertReportable(body.activity_type);
        if (body.source_id && body.source_id.toLowerCase() !== params.id)
          throw new PlatformError('source_mismatch', 'source_id must match authenticated workspace', {
            field: 'source_id',
          });
        await service.report(params.id, body);
        return { status: 'logged' as const };
      },
      listActivity: async ({ params, query, principal }) => {
        // Only the agent's own cursor says that it holds a message; an operator's read marks nothing.
        const isOwn = principal.kind === 'workspace' && principal.workspaceId === params.id;
        return await service.list(params.id, query, { isOwn });
      },
      searchSession: async ({ params, query }) => {
        const { items, searchedSince } = await service.search(params.id, query);
        return answer(200, items, searchedSince ? { 'x-searched-since': searchedSince.toISOString() } : {});
      },
      notify: async ({ params, body }) => {
        const attachments = parseAttachments(body.attachments ?? []);
        await service.notify(params.id, { message: body.message, attachments, inReplyTo: body.in_reply_to ?? null });
        return { status: 'sent' as const };
      },
    },
    authorize,
  );
}
