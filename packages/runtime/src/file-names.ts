// What a file that travels through a chat is called and what it is (chapter 20 §7.1): the same on the platform and in the agent.
// Pure; knows no folder and no wire.

const GENERIC_TYPE = 'application/octet-stream';
const MOST_CHARACTERS = 100;

const TYPES: Record<string, string> = {
  csv: 'text/csv',
  gif: 'image/gif',
  html: 'text/html',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  md: 'text/markdown',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain',
  webp: 'image/webp',
  yaml: 'application/yaml',
  yml: 'application/yaml',
  zip: 'application/zip',
};

/** How files begin whose name says nothing. */
const BEGINNINGS: [string, string][] = [
  ['\x89PNG\r\n\x1a\n', 'image/png'],
  ['\xff\xd8\xff', 'image/jpeg'],
  ['GIF8', 'image/gif'],
  ['%PDF-', 'application/pdf'],
  ['PK\x03\x04', 'application/zip'],
];

/** Bytes of a file `sniffType` wants to see. */
export const SNIFFED_BYTES = 16;

const baseOf = (name: string) => name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);

/** Letters, digits, `.`, `_` and `-`; at most 100 of them with the extension kept; never empty, `.` or `..`. */
export function toSafeName(name: string): string {
  const plain = baseOf(name).replace(/[^A-Za-z0-9._-]/gu, '_');
  const extension = /\.[A-Za-z0-9]{1,15}$/.exec(plain)?.[0] ?? '';
  const short =
    plain.length <= MOST_CHARACTERS ? plain : plain.slice(0, MOST_CHARACTERS - extension.length) + extension;
  return short === '' || short === '.' || short === '..' ? 'file' : short;
}

/** By the extension; `application/octet-stream` when that says nothing. */
export const typeOf = (name: string): string =>
  TYPES[/\.([^.]*)$/.exec(name)?.[1]?.toLowerCase() ?? ''] ?? GENERIC_TYPE;

/** By the name, else by how the file begins. */
export function sniffType(name: string, beginning: Uint8Array): string {
  const byName = typeOf(name);
  if (byName !== GENERIC_TYPE) return byName;
  const text = Buffer.from(beginning).toString('latin1');
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'image/webp';
  return BEGINNINGS.find(([start]) => text.startsWith(start))?.[1] ?? GENERIC_TYPE;
}

/** The sender's type counts unless it says nothing, or is none. */
export function chooseType(given: string, name: string): string {
  return given === GENERIC_TYPE || !/^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(given) ? typeOf(name) : given;
}

/** `Content-Disposition`: quotes and line ends cannot break out of the header; the exact name follows in RFC 5987 form. */
export function toDisposition(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\]/g, '\\$&');
  const exact = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}
