// `!include` as data (chapter 30 §2.2): the files of a template, and what `org.yaml` must become, or why it is refused.

export interface IncludeCase {
  name: string;
  /** By path inside the template folder; `../` lies beside it. */
  files: Record<string, string>;
  /** Symbolic links: path → target as written. */
  links?: Record<string, string>;
  becomes?: unknown;
  refused?: RegExp;
}

const chain = (length: number): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length }, (_, depth) => [
      `d${depth + 1}.yaml`,
      depth + 1 === length ? 'end' : `!include d${depth + 2}.yaml`,
    ]),
  );

export const INCLUDE_CORPUS: readonly IncludeCase[] = [
  { name: 'no include', files: { 'org.yaml': 'name: A' }, becomes: { name: 'A' } },
  {
    name: 'a file beside it',
    files: { 'org.yaml': 'team: !include team.yaml', 'team.yaml': 'name: B' },
    becomes: { team: { name: 'B' } },
  },
  {
    name: 'quoted path',
    files: { 'org.yaml': 'team: !include "my team.yaml"', 'my team.yaml': 'name: B' },
    becomes: { team: { name: 'B' } },
  },
  {
    name: 'in a list, more than once',
    files: { 'org.yaml': '- !include a.yaml\n- !include a.yaml\n- plain', 'a.yaml': 'x: 1' },
    becomes: [{ x: 1 }, { x: 1 }, 'plain'],
  },
  {
    name: 'relative to the including file, sideways inside the root',
    files: {
      'org.yaml': 'team: !include teams/a/team.yaml',
      'teams/a/team.yaml': 'shared: !include ../shared.yaml',
      'teams/shared.yaml': 'deep: !include ../top.yaml',
      'top.yaml': 'ok',
    },
    becomes: { team: { shared: { deep: 'ok' } } },
  },
  {
    name: 'a scalar, a list and an empty file',
    files: {
      'org.yaml': 'a: !include a.yaml\nb: !include b.yaml\nc: !include c.yaml',
      'a.yaml': '5',
      'b.yaml': '- 1\n- 2',
      'c.yaml': '',
    },
    becomes: { a: 5, b: [1, 2], c: null },
  },
  {
    name: 'anchors, aliases and merge keys',
    files: { 'org.yaml': 'base: &base {tier: 2}\none:\n  <<: *base\n  name: One\ntwo: *base' },
    becomes: { base: { tier: 2 }, one: { tier: 2, name: 'One' }, two: { tier: 2 } },
  },
  {
    name: 'a link to a file inside the root',
    files: { 'org.yaml': 'a: !include link.yaml', 'real.yaml': 'ok' },
    links: { 'link.yaml': 'real.yaml' },
    becomes: { a: 'ok' },
  },
  {
    name: 'the same file on two branches is no cycle',
    files: {
      'org.yaml': 'a: !include x.yaml\nb: !include y.yaml',
      'x.yaml': '!include z.yaml',
      'y.yaml': '!include z.yaml',
      'z.yaml': 'z',
    },
    becomes: { a: 'z', b: 'z' },
  },
  { name: 'sixteen levels', files: { 'org.yaml': '!include d1.yaml', ...chain(16) }, becomes: 'end' },
  { name: 'seventeen levels', files: { 'org.yaml': '!include d1.yaml', ...chain(17) }, refused: /deeper than 16/ },
  { name: 'itself', files: { 'org.yaml': 'a: !include org.yaml' }, refused: /cycle/ },
  {
    name: 'a cycle of two',
    files: { 'org.yaml': 'a: !include b.yaml', 'b.yaml': 'c: !include c.yaml', 'c.yaml': 'b: !include b.yaml' },
    refused: /cycle/,
  },
  {
    name: 'a cycle through a link',
    files: { 'org.yaml': 'a: !include link.yaml' },
    links: { 'link.yaml': 'org.yaml' },
    refused: /cycle/,
  },
  { name: 'no path', files: { 'org.yaml': 'a: !include' }, refused: /names no file/ },
  { name: 'a blank path', files: { 'org.yaml': 'a: !include "  "' }, refused: /names no file/ },
  { name: 'a missing file', files: { 'org.yaml': 'a: !include gone.yaml' }, refused: /gone\.yaml does not exist/ },
  {
    name: 'a folder',
    files: { 'org.yaml': 'a: !include teams', 'teams/x.yaml': '1' },
    refused: /teams cannot be read/,
  },
  {
    name: 'out of the root',
    files: { 'org.yaml': 'a: !include ../secret.yaml', '../secret.yaml': 'x' },
    refused: /leaves/,
  },
  { name: 'an absolute path', files: { 'org.yaml': 'a: !include /etc/hostname' }, refused: /leaves/ },
  {
    name: 'a folder whose name begins like the root',
    files: { 'org.yaml': 'a: !include ../template-evil/x.yaml', '../template-evil/x.yaml': 'x' },
    refused: /leaves/,
  },
  {
    name: 'out of the root by a link',
    files: { 'org.yaml': 'a: !include link.yaml', '../secret.yaml': 'x' },
    links: { 'link.yaml': '../secret.yaml' },
    refused: /leaves/,
  },
  {
    name: 'out of the root by a linked folder',
    files: { 'org.yaml': 'a: !include out/secret.yaml', '../outside/secret.yaml': 'x' },
    links: { out: '../outside' },
    refused: /leaves/,
  },
  { name: 'bad YAML at the top', files: { 'org.yaml': 'a: [1' }, refused: /org\.yaml is not valid YAML/ },
  {
    name: 'bad YAML in an included file, which is named',
    files: { 'org.yaml': 'a: !include b.yaml', 'b.yaml': 'x: {' },
    refused: /b\.yaml is not valid YAML/,
  },
  {
    name: 'files that include each other twice over',
    files: Object.fromEntries([
      ['org.yaml', '!include n1.yaml'],
      ...Array.from(
        { length: 12 },
        (_, n) => [`n${n + 1}.yaml`, `[!include n${n + 2}.yaml, !include n${n + 2}.yaml]`] as const,
      ),
      ['n13.yaml', 'leaf'],
    ]),
    refused: /more than 1000 files/,
  },
];
