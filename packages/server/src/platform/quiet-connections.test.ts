// A real server and real sockets: closing waits for who is being answered, not for who is quiet.

import { once } from 'node:events';
import { connect } from 'node:net';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { endQuietConnections } from './quiet-connections.ts';

describe('closing a server', () => {
  it('lets a running request finish, and waits for no connection that is quiet before or after', async () => {
    const app = Fastify({ forceCloseConnections: 'idle' });
    endQuietConnections(app);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    app.get('/', async () => {
      ask();
      await released;
      return 'done';
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.addresses()[0] as { port: number };
    const silent = connect(port, '127.0.0.1').resume();
    await once(silent, 'connect');
    const answer = fetch(`http://127.0.0.1:${port}/`).then((response) => response.text());
    await asked;
    const closed = app.close();
    await once(silent, 'close');
    release();
    expect(await answer).toBe('done');
    await closed;
  });
});
