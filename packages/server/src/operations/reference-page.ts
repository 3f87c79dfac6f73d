// The API as one page to browse, rendered from the contract tables: no script, no remote asset.

import { ERRORS, ROUTE_TABLES, type Route } from '@molecule/contract';
import { toTemplate } from './openapi.ts';

const STYLE = `
  :root { color-scheme: light dark; font: 15px/1.55 ui-sans-serif, system-ui, sans-serif }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  code { font: 13px ui-monospace, monospace }
  h2 { margin-top: 2.5rem; text-transform: capitalize }
  details { border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); padding: .45rem 0 }
  summary { cursor: pointer; display: flex; gap: .75rem; flex-wrap: wrap }
  .method { font-weight: 650; width: 4.2rem } .auth { margin-left: auto; opacity: .7 }
  pre { overflow: auto; padding: .75rem; border-radius: 8px; background: color-mix(in srgb, currentColor 7%, transparent) }
  table { border-collapse: collapse } td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top }
`;

const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

function renderRoute(name: string, route: Route, operation: Record<string, unknown>): string {
  const body = (operation.requestBody as { content: Record<string, { schema: unknown }> } | undefined)?.content[
    'application/json'
  ]?.schema;
  const success = Object.entries(
    operation.responses as Record<string, { content?: Record<string, { schema: unknown }> }>,
  )
    .filter(([status]) => Number(status) < 400)
    .map(
      ([status, reply]) =>
        `<p>${status}</p><pre>${escapeHtml(JSON.stringify(Object.values(reply.content ?? {})[0]?.schema ?? {}, null, 2))}</pre>`,
    );
  const errors = (route.errors ?? []).map(
    (code) =>
      `<tr><td>${ERRORS[code].status}</td><td><code>${code}</code></td><td>${escapeHtml(ERRORS[code].meaning)}</td></tr>`,
  );
  return `<details id="${name}"><summary><span class="method">${route.method}</span><code>${escapeHtml(route.path)}</code><span>${escapeHtml(route.summary)}</span><span class="auth">${route.auth}</span></summary>
    ${body ? `<p>Body</p><pre>${escapeHtml(JSON.stringify(body, null, 2))}</pre>` : ''}${success.join('')}${errors.length > 0 ? `<table>${errors.join('')}</table>` : ''}</details>`;
}

export function renderReferencePage(document: Record<string, unknown>): string {
  const paths = document.paths as Record<string, Record<string, Record<string, unknown>>>;
  const sections = Object.entries(ROUTE_TABLES).map(([domain, table]) => {
    const rows = Object.entries(table as Record<string, Route>).map(([name, route]) =>
      renderRoute(name, route, paths[toTemplate(route.path)]?.[route.method.toLowerCase()] ?? { responses: {} }),
    );
    return `<section><h2>${domain}</h2>${rows.join('')}</section>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Molecule API</title><style>${STYLE}</style>
    <h1>Molecule API</h1><p>Errors are <code>{"error", "code", …}</code>. The same as a document: <a href="/openapi.json">openapi.json</a>.</p>${sections.join('')}</html>`;
}
