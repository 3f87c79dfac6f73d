// The agent card (chapter 40 §8.1): one document that v0.3 and v1.0 readers both understand, and the SDK's form of it.

import type { AgentCard } from '@a2a-js/sdk';
import type { AgentConfig } from '../adapters/adapter.ts';

const MODES = ['text/plain', 'application/json'];
const VERSIONS = ['0.3', '1.0'];

export interface CardInput {
  config: AgentConfig;
  runtime: string;
  url: string;
}

const skillsOf = ({ config }: CardInput) =>
  (Array.isArray(config.raw.skills) ? config.raw.skills : [])
    .filter((skill): skill is string => typeof skill === 'string')
    .map((id) => ({ id, name: id, description: '', tags: [], examples: [] }));

const capabilitiesOf = ({ config }: CardInput) => ({
  streaming: config.a2a.streaming,
  pushNotifications: config.a2a.pushNotifications,
  stateTransitionHistory: true,
});

/** What is served and registered. */
export function buildCard(input: CardInput): Record<string, unknown> {
  const { config, runtime, url } = input;
  return {
    name: config.name,
    description: config.description,
    version: config.version,
    url,
    role: config.role,
    runtime,
    protocolVersion: '0.3.0',
    preferredTransport: 'JSONRPC',
    capabilities: capabilitiesOf(input),
    defaultInputModes: MODES,
    defaultOutputModes: MODES,
    skills: skillsOf(input),
    supportedInterfaces: VERSIONS.map((version) => ({
      protocol: 'JSONRPC',
      protocolBinding: 'JSONRPC',
      protocolVersion: version,
      url,
    })),
  };
}

/** The same in the SDK's own shape, which its transports ask for. */
export function buildSdkCard(input: CardInput): AgentCard {
  const { config, url } = input;
  return {
    name: config.name,
    description: config.description,
    version: config.version,
    provider: undefined,
    capabilities: { ...capabilitiesOf(input), extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: MODES,
    defaultOutputModes: MODES,
    skills: skillsOf(input).map((skill) => ({ ...skill, inputModes: [], outputModes: [], securityRequirements: [] })),
    signatures: [],
    supportedInterfaces: VERSIONS.map((version) => ({
      url,
      protocolBinding: 'JSONRPC',
      tenant: '',
      protocolVersion: version,
    })),
  };
}
