// What runs inside a pod to reach its folders: plain functions, sent as source text to the `node` of the agent's image. Each is
// complete in itself: it sees only its two parameters, never this module.

/** What a script may use. */
interface Tools {
  fs: typeof import('node:fs');
  path: typeof import('node:path');
}

export interface InitInput {
  start: string;
  pending: string;
  configs: string;
  startId: string;
  /** File that says which start was the last to put its files in place. */
  mark: string;
}

/** Puts the files of a start into the configuration, once: a pod that is made again must not undo what the agent changed. */
function placeFiles(input: InitInput, { fs, path }: Tools): void {
  const mark = path.join(input.configs, input.mark);
  if (fs.existsSync(mark) && fs.readFileSync(mark, 'utf8') === input.startId) return;
  const copy = (from: string, to: string): void => {
    if (!fs.existsSync(from)) return;
    for (const name of fs.readdirSync(from)) {
      // How a cluster keeps the versions of a mounted Secret.
      if (name.startsWith('..')) continue;
      const source = path.join(from, name);
      const target = path.join(to, name);
      if (fs.statSync(source).isDirectory()) {
        fs.mkdirSync(target, { recursive: true, mode: 0o700 });
        copy(source, target);
        continue;
      }
      const partial = `${target}.molecule-incoming`;
      fs.writeFileSync(partial, fs.readFileSync(source), { mode: 0o600 });
      fs.renameSync(partial, target);
    }
  };
  fs.mkdirSync(input.configs, { recursive: true });
  copy(input.pending, input.configs);
  copy(input.start, input.configs);
  fs.writeFileSync(mark, input.startId, { mode: 0o600 });
}

export interface FileInput {
  root: string;
  path: string;
}

interface Found {
  path: string;
  size: number;
  dir: boolean;
}

/** Entries below a folder; links are shown as what they lead to, as long as that lies in the root. */
export function listScript(
  input: FileInput & { depth: number; hidden: string[]; most: number },
  { fs, path }: Tools,
): Found[] {
  const isInside = (top: string, real: string) => real === top || real.startsWith(`${top}/`);
  const entries: Found[] = [];
  const visit = (top: string, folder: string, below: string, level: number): void => {
    for (const name of fs.readdirSync(folder)) {
      if (entries.length >= input.most) return;
      if (input.hidden.includes(name)) continue;
      const full = path.join(folder, name);
      try {
        if (!isInside(top, fs.realpathSync(full))) continue;
        const stat = fs.statSync(full);
        if (!stat.isFile() && !stat.isDirectory()) continue;
        const at = below === '' ? name : `${below}/${name}`;
        entries.push({ path: at, size: stat.isDirectory() ? 0 : stat.size, dir: stat.isDirectory() });
        if (stat.isDirectory() && level < input.depth && !fs.lstatSync(full).isSymbolicLink())
          visit(top, full, at, level + 1);
      } catch {
        // Gone since the folder was read, or a link to nothing.
      }
    }
  };
  try {
    const top = fs.realpathSync(input.root);
    const folder = fs.realpathSync(path.join(top, input.path));
    if (isInside(top, folder)) visit(top, folder, input.path, 1);
  } catch {
    // Not there: nothing below it.
  }
  return entries;
}

/** Content in base64; null = not there, or outside; a number = its size, which is too large. */
export function readScript(input: FileInput & { limit: number }, { fs, path }: Tools): string | number | null {
  try {
    const top = fs.realpathSync(input.root);
    const real = fs.realpathSync(path.join(top, input.path));
    const stat = fs.statSync(real);
    if (!real.startsWith(`${top}/`) || !stat.isFile()) return null;
    return stat.size > input.limit ? stat.size : fs.readFileSync(real).toString('base64');
  } catch {
    return null;
  }
}

/** Everything is judged before anything is written. @returns the path that may not be written; null = all were. */
export function writeScript(
  input: { root: string; files: Record<string, string> },
  { fs, path }: Tools,
): string | null {
  for (const name of Object.keys(input.files)) {
    const segments = name.split('/');
    for (let depth = 1; depth <= segments.length; depth += 1) {
      const stat = fs.lstatSync(path.join(input.root, ...segments.slice(0, depth)), { throwIfNoEntry: false });
      if (!stat) break;
      if (stat.isSymbolicLink() || stat.isDirectory() === (depth === segments.length)) return name;
    }
  }
  for (const [name, content] of Object.entries(input.files)) {
    const target = path.join(input.root, name);
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
    const partial = `${target}.molecule-incoming`;
    fs.writeFileSync(partial, content, { mode: 0o600 });
    fs.renameSync(partial, target);
  }
  return null;
}

/** @returns false when there is no such file. */
export function removeScript(input: FileInput, { fs, path }: Tools): boolean {
  try {
    const top = fs.realpathSync(input.root);
    const target = path.join(top, input.path);
    const parent = fs.realpathSync(path.dirname(target));
    if (parent !== top && !parent.startsWith(`${top}/`)) return false;
    if (fs.lstatSync(target).isDirectory()) return false;
    fs.unlinkSync(target);
    return true;
  } catch {
    return false;
  }
}

const TOOLS = `{ fs: require('node:fs'), path: require('node:path') }`;

/** For an init container: the input is its one argument. */
export const initSource = (): string => `(${placeFiles.toString()})(JSON.parse(process.argv[1]), ${TOOLS})`;

/** For an exec: script and input come in as one line, so that neither has to fit into an address. */
export const EXEC_SOURCE = `
let text = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  text += chunk;
  const end = text.indexOf('\\n');
  if (end === -1) return;
  process.stdin.removeAllListeners('data');
  process.stdin.destroy();
  const { script, input } = JSON.parse(text.slice(0, end));
  const result = new Function('return (' + script + ')')()(input, ${TOOLS});
  process.stdout.write(JSON.stringify({ result }));
});
`;
