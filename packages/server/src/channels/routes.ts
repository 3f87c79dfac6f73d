// HTTP of channels: their workspace keeps them, and the channels themselves tell what was said (chapter 20 §9).

import { channelRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { Discovery } from './discovery.ts';
import type { InboundDoor } from './inbound.ts';
import type { ChannelService } from './service.ts';

const TEST_TEXT = 'This is a test message from Molecule: the channel works.';

export function mountChannelRoutes(
  app: FastifyInstance,
  authorize: Authorize,
  { service, inbound, discover }: { service: ChannelService; inbound: InboundDoor; discover: Discovery },
): void {
  const { receiveChannelWebhook, ...kept } = channelRoutes;
  mount(
    app,
    kept,
    {
      listChannelAdapters: async () => service.adapters(),
      discoverChats: async ({ body }) => await discover(body.workspace_id, body.channel_type, body.bot_token),
      listChannels: async ({ params }) =>
        (await service.list(params.id)).map((row) => ({
          id: row.id,
          workspace_id: row.workspace_id,
          channel_type: row.channel_type,
          config: row.shown,
          enabled: row.enabled,
          allowed_users: row.allowed_users,
          channel_budget: row.channel_budget,
          message_count: row.message_count,
          last_message_at: row.last_message_at?.toISOString() ?? null,
          created_at: row.created_at,
          updated_at: row.updated_at,
        })),
      createChannel: async ({ params, body }) => {
        const id = await service.create(params.id, body);
        return answer(201, { id, channel_type: body.channel_type, enabled: body.enabled });
      },
      patchChannel: async ({ params, body }) => {
        await service.patch(params.id, params.channelId, body);
        return { status: 'updated' as const };
      },
      deleteChannel: async ({ params }) => {
        await service.remove(params.id, params.channelId);
        return { status: 'deleted' as const };
      },
      sendToChannel: async ({ params, body }) => {
        await service.send(params.id, params.channelId, body.text);
        return { status: 'sent' as const };
      },
      testChannel: async ({ params }) => {
        await service.send(params.id, params.channelId, TEST_TEXT);
        return { status: 'sent' as const };
      },
    },
    authorize,
  );
  // In a scope of its own: everywhere else a form is refused.
  app.register(async (scope) => {
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
    mount(
      scope,
      { receiveChannelWebhook },
      {
        receiveChannelWebhook: async ({ params, body, request }) =>
          await inbound.receive(params.type, { headers: request.headers, body: body ?? Buffer.alloc(0) }),
      },
      authorize,
    );
  });
}
