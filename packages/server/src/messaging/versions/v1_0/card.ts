// An agent card as A2A v1.0 writes it.

import type { Json } from '../../json.ts';
import { BEARER_NOTE, type CardPlace, type NeutralCard } from '../card.ts';

export function toV10Card(card: NeutralCard, { url, extensions }: CardPlace): Json {
  const { streaming, pushNotifications } = card;
  return {
    ...card.text,
    supportedInterfaces: ['1.0', '0.3'].map((protocolVersion) => ({
      url,
      protocolBinding: 'JSONRPC',
      protocolVersion,
    })),
    capabilities: { streaming, pushNotifications, extensions, extendedAgentCard: false },
    securitySchemes: { bearer: { httpAuthSecurityScheme: { scheme: 'bearer', description: BEARER_NOTE } } },
    securityRequirements: [{ schemes: { bearer: { list: [] } } }],
    skills: card.skills,
  };
}
