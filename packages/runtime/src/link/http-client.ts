// The parts of undici that agents and the platform call others with. The whole package also loads its fetch, mocks, caches and web
// sockets, some 10 MB of memory that nobody uses. Owns which parts; the requests are those of whoever calls.

import { createRequire } from 'node:module';
import type * as undici from 'undici';

const loadPart = createRequire(import.meta.url);

export type Agent = undici.Agent;
export const Agent: typeof undici.Agent = loadPart('undici/lib/dispatcher/agent.js');
const base: typeof undici.Dispatcher = loadPart('undici/lib/dispatcher/dispatcher.js');
// As the index of the package does.
Object.assign(base.prototype, loadPart('undici/lib/api/index.js'));

export type FormData = undici.FormData;
/** An empty form; what it is made of is loaded with the first one. */
export function createForm(): FormData {
  const { FormData } = loadPart('undici/lib/web/fetch/formdata.js') as { FormData: typeof undici.FormData };
  return new FormData();
}

type RequestOptions = Omit<undici.Dispatcher.RequestOptions, 'origin' | 'path' | 'method'> & {
  dispatcher: undici.Dispatcher;
  method?: undici.Dispatcher.HttpMethod;
};

/** undici's `request`, with the dispatcher always named. Redirects are not followed. @throws on a URL that is none. */
export async function request(
  url: string | URL,
  { dispatcher, method = 'GET', ...options }: RequestOptions,
): Promise<undici.Dispatcher.ResponseData> {
  const { origin, pathname, search } = new URL(url);
  return await dispatcher.request({ ...options, method, origin, path: pathname + search });
}
