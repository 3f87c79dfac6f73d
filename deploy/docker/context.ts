// The folder an image is built from: the packages it runs and exactly the dependencies they need, as the lock file installed them.
// Built from what is installed here, so it needs no registry; build on the system and processor the image is for.

import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

export type ImagePart = 'platform' | 'runtime';

interface Contents {
  /** Where the search for dependencies begins. */
  packages: readonly string[];
  /** Copied as they are, beside the packages. */
  folders: readonly string[];
}

const PARTS: Readonly<Record<ImagePart, Contents>> = {
  platform: { packages: ['packages/cli', 'packages/runtime'], folders: ['packages/canvas/dist', 'templates'] },
  runtime: { packages: ['packages/runtime'], folders: [] },
};

interface Manifest {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const readManifest = (folder: string) =>
  JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest;

/** Like Node itself: the nearest `node_modules` above the package. Null when it is not installed. */
function locate(name: string, from: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(ROOT, candidate))) return candidate;
    if (folder === '.') return null;
  }
}

/** Links of npm workspaces lead to the packages of this repository. */
function resolveLink(folder: string): string {
  const path = join(ROOT, folder);
  return lstatSync(path).isSymbolicLink() ? relative(ROOT, join(dirname(path), readlinkSync(path))) : folder;
}

/** @throws when a dependency is not installed; optional ones may be absent. */
function findDependencies(folder: string): { links: string[]; folders: string[] } {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = readManifest(folder);
  const links: string[] = [];
  const folders: string[] = [];
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    const found = locate(name, folder);
    if (found === null) {
      if (name in dependencies && !(name in optionalDependencies))
        throw new Error(`${name}, which ${folder} needs, is not installed; run npm ci`);
      continue;
    }
    const target = resolveLink(found);
    if (target !== found) links.push(found);
    folders.push(target);
  }
  return { links, folders };
}

function copyPackage(folder: string, into: string): void {
  const isOwn = folder.startsWith('packages/');
  // Types, source maps and manuals are most of the files, and no program reads them.
  const unwanted = isOwn
    ? /(^|\/)(node_modules|dist|dev|test)(\/|$)|\.test\.tsx?$/
    : /^node_modules(\/|$)|\.d\.[cm]?ts$|\.map$|(?<!license)\.md$/i;
  cpSync(join(ROOT, folder), join(into, folder), {
    recursive: true,
    filter: (source) => !unwanted.test(relative(join(ROOT, folder), source)),
  });
}

/** Fills an empty folder. @returns how many packages went in. */
export function assembleContext(part: ImagePart, into: string): number {
  const { packages, folders } = PARTS[part];
  const done = new Set<string>();
  const linked = new Set<string>();
  const open = [...packages];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    if (done.has(folder)) continue;
    done.add(folder);
    copyPackage(folder, into);
    const found = findDependencies(folder);
    open.push(...found.folders);
    for (const link of found.links) {
      if (linked.has(link)) continue;
      linked.add(link);
      mkdirSync(dirname(join(into, link)), { recursive: true });
      symlinkSync(relative(dirname(link), resolveLink(link)), join(into, link));
    }
  }
  for (const folder of folders) {
    if (!existsSync(join(ROOT, folder))) throw new Error(`${folder} is missing; npm run images builds it`);
    cpSync(join(ROOT, folder), join(into, folder), { recursive: true });
  }
  cpSync(join(ROOT, `deploy/docker/Dockerfile.${part}`), join(into, 'Dockerfile'));
  cpSync(join(ROOT, 'LICENSE'), join(into, 'LICENSE'));
  return done.size;
}
