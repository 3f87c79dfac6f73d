// A registry of container images on loopback: as much of the distribution protocol as an engine needs to pull. What it serves is
// put in by the test and told apart by digest, like in a real one. Engines take an unencrypted registry on loopback only.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const CONFIG = 'application/vnd.docker.container.image.v1+json';
const LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface ImageRegistry {
  /** As image names begin: `127.0.0.1:<port>`. */
  host: string;
  /** Makes one layer and a command the newest of a name. @returns the digest of its manifest. */
  push(name: string, tag: string, layer: Buffer, command: readonly string[]): string;
  /** Manifests asked for by tag or digest, oldest first: `name:tag` or `name@digest`. */
  pulls: string[];
  /** What fails from now on: all of a `name`, or its `name/manifests` or `name/blobs`. */
  broken: Set<string>;
  /** Whom it asks for a name and a password, from now on. */
  requireLogin(username: string, password: string): void;
  stop(): Promise<void>;
}

export async function startImageRegistry(): Promise<ImageRegistry> {
  const blobs = new Map<string, Buffer>();
  const tags = new Map<string, string>();
  const pulls: string[] = [];
  const broken = new Set<string>();
  let login: string | null = null;

  function store(bytes: Buffer): string {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return digest;
  }

  function send(request: IncomingMessage, response: ServerResponse, type: string, digest: string, bytes: Buffer): void {
    response.writeHead(200, {
      'content-type': type,
      'content-length': bytes.length,
      'docker-content-digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  const refuse = (response: ServerResponse, status: number, code: string) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ errors: [{ code }] }));

  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://registry').pathname;
    const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    if (login !== null && request.headers.authorization !== login) {
      response.setHeader('www-authenticate', 'Basic realm="test"');
      return refuse(response, 401, 'UNAUTHORIZED');
    }
    if (path === '/v2/') return response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    // Denied, because an engine tries anything else for minutes.
    if (broken.has(name) || broken.has(`${name}/${kind}`)) return refuse(response, 403, 'DENIED');
    const digest = reference.startsWith('sha256:') ? reference : tags.get(`${name}:${reference}`);
    const bytes = digest === undefined ? undefined : blobs.get(digest);
    if (digest === undefined || bytes === undefined)
      return refuse(response, 404, kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN');
    if (kind !== 'manifests') return send(request, response, 'application/octet-stream', digest, bytes);
    pulls.push(reference === digest ? `${name}@${reference}` : `${name}:${reference}`);
    return send(request, response, MANIFEST, digest, bytes);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };

  return {
    host: `127.0.0.1:${port}`,
    pulls,
    broken,
    push(name, tag, layer, command) {
      const packed = gzipSync(layer);
      const config = Buffer.from(
        JSON.stringify({
          architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
          os: 'linux',
          config: { Env: ['PATH=/usr/local/bin:/usr/bin:/bin'], Cmd: command },
          rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
          history: [{ created_by: 'test' }],
        }),
      );
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MANIFEST,
          config: { mediaType: CONFIG, size: config.length, digest: store(config) },
          layers: [{ mediaType: LAYER, size: packed.length, digest: store(packed) }],
        }),
      );
      const digest = store(manifest);
      tags.set(`${name}:${tag}`, digest);
      return digest;
    },
    requireLogin(username, password) {
      login = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
