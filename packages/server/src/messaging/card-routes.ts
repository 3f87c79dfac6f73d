// The agent card a caller gets (chapter 20 §1.4): the stored one, rewritten so that what it points at is the platform's own A2A
// entry. Agents are reached through the platform alone, so nothing of their own addresses or credentials is told.

import { cardRoutes, RESUMABLE_STREAM_EXTENSION } from '@molecule/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, mount } from '../platform/http.ts';
import type { Principal } from '../platform/principal.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import { callerOf } from './routes.ts';
import { readCallerVersion } from './versions/callers.ts';
import { type NeutralCard, readCard } from './versions/card.ts';
import { toV03Card } from './versions/v0_3/card.ts';
import { toV10Card } from './versions/v1_0/card.ts';

export interface CardRouteDeps {
  workspaces: Workspaces;
  canCommunicate(a: string, b: string): Promise<boolean>;
  publicUrl(request: { protocol: string; host: string }): string;
}

const RESUMABLE = {
  uri: RESUMABLE_STREAM_EXTENSION,
  description: 'A stream that broke can be resumed after the last event that was seen.',
  required: false,
};

const extensionsOf = ({ streaming }: NeutralCard) => (streaming ? [RESUMABLE] : []);

export function mountCardRoutes(app: FastifyInstance, authorize: Authorize, deps: CardRouteDeps): void {
  const { workspaces, canCommunicate, publicUrl } = deps;

  /** A workspace learns the same of an unknown one as of one it may not reach. */
  async function findReachable(id: string, callerId: string | null): Promise<WorkspaceRow> {
    if (callerId !== null && callerId !== id && !(await canCommunicate(callerId, id)))
      throw new PlatformError('access_denied', 'access denied: workspaces cannot communicate per hierarchy rules');
    const row = await workspaces.get(id);
    if (!row || row.status === 'removed') throw notFound('workspace');
    return row;
  }

  interface CardRequest {
    params: { id: string };
    principal: Principal;
    request: FastifyRequest;
  }

  async function serveCard({ params, principal, request }: CardRequest) {
    const row = await findReachable(params.id, callerOf(principal, request).workspaceId);
    const card = readCard(row.agent_card, { name: row.name, role: row.role, isPoll: row.delivery_mode === 'poll' });
    const place = {
      url: `${publicUrl(request).replace(/\/+$/, '')}/workspaces/${row.id}/a2a`,
      extensions: extensionsOf(card),
    };
    const version = request.headers['a2a-version'];
    return readCallerVersion({}, typeof version === 'string' ? version : undefined) === '1.0'
      ? toV10Card(card, place)
      : toV03Card(card, place);
  }

  mount(app, cardRoutes, { getAgentCard: serveCard, getAgentCardByOldName: serveCard }, authorize);
}
