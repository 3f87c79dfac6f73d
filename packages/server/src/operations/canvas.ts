// Serves the built canvas on the platform's own origin: `/` and `/login` are the app, hashed assets never change.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

const NOT_BUILT =
  '<!doctype html><meta charset="utf-8"><title>Molecule</title><p>The canvas is not built. Start through <code>npm start</code>, which builds it.</p>';

export async function serveCanvas(app: FastifyInstance, canvasDir: string): Promise<void> {
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
