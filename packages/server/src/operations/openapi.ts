// The contract tables as an OpenAPI 3.1 document. Pure; scripts/generate.ts commits its output, `/openapi.json` serves it.

import { type AUTH_CLASSES, ERRORS, type ErrorCode, paramsOf, ROUTE_TABLES, type Route } from '@molecule/contract';
import { z } from 'zod';

const AUTH_MEANING: Record<(typeof AUTH_CLASSES)[number], string> = {
  PUB: 'Anyone.',
  ADMIN: 'A session, an organisation token or the admin token.',
  SELF: 'The token of this workspace, or an administrator.',
  OWN: 'The token of this workspace only.',
  ANY: 'Any authenticated principal.',
  REG: 'The registry gate: a token of the workspace, or an open enrolment window.',
  CALLER: 'A workspace token or an administrator; X-Workspace-ID must agree.',
  COSMETIC: 'An administrator, or a page of an allowed origin.',
  ROOT: 'The admin token only.',
  STATE: 'The token of this workspace, even after its deletion, or an administrator.',
};

/** A path pattern of the contract as OpenAPI writes it. */
export const toTemplate = (path: string): string => path.replace(/[:*]([A-Za-z]+)/g, '{$1}');

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): unknown {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<
    string,
    unknown
  >;
  return rest;
}

function describeParameters(route: Route): unknown[] {
  const inPath = paramsOf(route.path).map((name) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  if (!route.query) return inPath;
  const query = toJsonSchema(route.query, 'input') as { properties?: Record<string, unknown>; required?: string[] };
  return [
    ...inPath,
    ...Object.entries(query.properties ?? {}).map(([name, schema]) => ({
      name,
      in: 'query',
      required: query.required?.includes(name) ?? false,
      schema,
    })),
  ];
}

function describeReplies(route: Route): Record<string, unknown> {
  const contentType =
    route.transport === 'sse' ? 'text/event-stream' : route.transport === 'text' ? 'text/plain' : 'application/json';
  const good = Object.entries(route.replies).map(([status, schema]) => [
    status,
    { description: 'Success', content: { [contentType]: { schema: toJsonSchema(schema, 'output') } } },
  ]);
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of route.errors ?? [])
    byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code]);
  const bad = [...byStatus].map(([status, codes]) => [
    String(status),
    {
      description: codes.map((code) => `\`${code}\`: ${ERRORS[code].meaning}`).join(' '),
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    },
  ]);
  return Object.fromEntries([...good, ...bad]);
}

export function renderOpenApi(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [tag, table] of Object.entries(ROUTE_TABLES)) {
    for (const [name, route] of Object.entries(table as Record<string, Route>)) {
      const path = toTemplate(route.path);
      paths[path] ??= {};
      paths[path][route.method.toLowerCase()] = {
        operationId: name,
        tags: [tag],
        summary: route.summary,
        description: `Who may call: ${AUTH_MEANING[route.auth]}`,
        'x-auth-class': route.auth,
        security: route.auth === 'PUB' ? [] : [{ bearer: [] }, { session: [] }],
        parameters: describeParameters(route),
        ...(route.body
          ? {
              requestBody: {
                required: !route.body.safeParse(undefined).success,
                content: { 'application/json': { schema: toJsonSchema(route.body, 'input') } },
              },
            }
          : {}),
        responses: describeReplies(route),
      };
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Molecule', version, description: 'The control plane for organisations of AI agents.' },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'molecule_session' },
      },
      schemas: {
        Error: {
          type: 'object',
          required: ['error', 'code'],
          properties: { error: { type: 'string' }, code: { type: 'string', enum: Object.keys(ERRORS) } },
        },
      },
    },
  };
}
