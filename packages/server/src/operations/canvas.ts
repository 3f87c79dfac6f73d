// Serves the canvas on the platform's own origin: built files, of which hashed ones never change, or whatever another server has
// (`CANVAS_PROXY_URL`). `/` and `/login` are the app.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.ts';
import type { Logger } from '../platform/log.ts';
import { createPassthrough } from './passthrough.ts';

const NOT_BUILT =
  '<!doctype html><meta charset="utf-8"><title>Molecule</title><p>The canvas is not built. Start through <code>npm start</code>, which builds it.</p>';

export async function serveCanvas(app: FastifyInstance, config: Config, log: Logger): Promise<void> {
  if (config.canvasProxyUrl === null) await serveBuilt(app, config.canvasDir);
  else await proxyCanvas(app, config.canvasProxyUrl, log);
}

async function serveBuilt(app: FastifyInstance, canvasDir: string): Promise<void> {
  const index = join(canvasDir, 'index.html');
  if (!existsSync(index)) {
    for (const path of ['/', '/login'])
      app.get(path, (_request, reply) => reply.status(503).type('text/html').send(NOT_BUILT));
    return;
  }
  await app.register(fastifyStatic, {
    root: canvasDir,
    index: false,
    wildcard: false,
    dotfiles: 'ignore',
    // The build leaves a .gz beside every text file.
    preCompressed: true,
    setHeaders: (response, path) =>
      response.header('cache-control', path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'),
  });
  for (const path of ['/', '/login'])
    app.get(path, (_request, reply) => reply.header('cache-control', 'no-cache').sendFile('index.html'));
}

/** Everything that no route of the platform answers. No credential goes there, not even in an address, and none comes back. */
async function proxyCanvas(app: FastifyInstance, url: string, log: Logger): Promise<void> {
  await app.register(async (scope) => {
    const passthrough = createPassthrough(scope, url, log);
    scope.get('/*', async (request, reply) => {
      const address = request.raw.url ?? '/';
      const [path = '/'] = address.split('?', 1);
      return await passthrough.forward(request, reply, {
        // A sign-in link carries its code in the query, and so does the referrer of what its page loads.
        path: path === '/login' ? path : address,
        requestHeaders: { authorization: null, cookie: null, referer: null },
        withheld: ['set-cookie'],
      });
    });
  });
}
