// Commands a person can copy into a shell. Names and paths come from others, so nothing in them is ever run.

import type { Target } from './environment.ts';

const HARMLESS = /^[\w ./:@%+=,-]+$/;

/** As one word of a POSIX shell. */
export function quote(text: string): string {
  if (!HARMLESS.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  return text.includes(' ') ? `"${text}"` : text;
}

export const logsCommand = ({ name }: { name: string }): string => `molecule logs ${quote(name)}`;

/** Starts the platform this command looked for. */
export function startCommand({ dataDir, isDefaultDataDir }: Target): string {
  return isDefaultDataDir ? 'npm start' : `MOLECULE_DATA_DIR=${quote(dataDir)} npm start`;
}

/** A command of this program for the same platform; a token given as a flag is named, never shown. */
export function moleculeCommand(target: Target, words: string[]): string {
  const { url, urlSource, tokenSource, dataDir, isDefaultDataDir } = target;
  const flags = [
    ...(urlSource === 'given' ? ['--url', url] : []),
    ...(isDefaultDataDir ? [] : ['--data-dir', dataDir]),
  ].map(quote);
  const token = tokenSource === '--token' ? ['--token', '"$MOLECULE_TOKEN"'] : [];
  return ['molecule', ...words.map(quote), ...flags, ...token].join(' ');
}

/** A request to the platform; its token is named, never shown. */
export function curlCommand({ url, tokenSource }: Target, method: string, path: string, body: unknown): string {
  const variable = /^[A-Z_]+$/.test(tokenSource) ? tokenSource : 'MOLECULE_TOKEN';
  const token = tokenSource.startsWith('/') ? `$(cat ${quote(tokenSource)})` : `$${variable}`;
  const headers = `-H "authorization: Bearer ${token}" -H 'content-type: application/json'`;
  return `curl -X ${method} ${quote(url + path)} ${headers} -d ${quote(JSON.stringify(body))}`;
}
