// An agent card as A2A v0.3 writes it.

import type { Json } from '../../json.ts';
import { BEARER_NOTE, type CardPlace, type NeutralCard } from '../card.ts';

export function toV03Card(card: NeutralCard, { url, extensions }: CardPlace): Json {
  const { streaming, pushNotifications, stateTransitionHistory } = card;
  return {
    protocolVersion: '0.3.0',
    ...card.text,
    url,
    preferredTransport: 'JSONRPC',
    capabilities: { streaming, pushNotifications, stateTransitionHistory, extensions },
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: BEARER_NOTE } },
    security: [{ bearer: [] }],
    skills: card.skills,
    supportsAuthenticatedExtendedCard: false,
  };
}
