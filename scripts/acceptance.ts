// Lists every acceptance case of docs/spec and says whether a test claims it.
// A test claims a case by carrying its number at the start of its title: `it('10.42 20.18 …')`, `test('C24 …')`.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const SPEC = join(ROOT, 'docs/spec');

interface Case {
  id: string;
  text: string;
  tests: string[];
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ['node_modules', 'dist', '.git', '.molecule', 'test-results'].includes(entry.name) ? [] : listFiles(path);
    return [path];
  });
}

/** Numbered lines of a chapter's last section, `R01` rows and `C01` bullets. */
function readCases(): Map<string, Case> {
  const cases = new Map<string, Case>();
  const add = (id: string, text: string) => cases.set(id, { id, text: text.slice(0, 90), tests: [] });
  for (const file of readdirSync(SPEC).sort()) {
    const chapter = file.slice(0, 2);
    const body = readFileSync(join(SPEC, file), 'utf8');
    const acceptance = body.slice(body.search(/^## \d+\. Acceptance cases/m));
    if (chapter === '00' || acceptance.length < 2) continue;
    for (const line of acceptance.split('\n')) {
      const numbered = /^(\d{1,3})\. (.+)$/.exec(line);
      const runtime = /^\| (R\d{2}) \| (.+?) \|?$/.exec(line);
      const canvas = /^- (C\d{2}) (.+)$/.exec(line);
      if (numbered?.[1] && numbered[2]) add(`${chapter}.${numbered[1]}`, numbered[2]);
      else if (runtime?.[1] && runtime[2]) add(runtime[1], runtime[2]);
      else if (canvas?.[1] && canvas[2]) add(canvas[1], canvas[2]);
    }
  }
  return cases;
}

/** Case numbers at the start of a title. */
function claimedCases(title: string): string[] {
  const claimed: string[] = [];
  for (const word of title.split(/[\s,]+/)) {
    if (/^(\d{2}\.\d{1,3}|R\d{2}|C\d{2})[:.]?$/.test(word)) claimed.push(word.replace(/[:.]$/, ''));
    else break;
  }
  return claimed;
}

const TITLE =
  /\b(?:it|test)(?:\.(?:each\([^)]*\)|only|for\([^)]*\)|(?:skipIf|runIf)\((?:[^()]|\([^()]*\))*\)|concurrent))*\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs;

const cases = readCases();
const unknown: string[] = [];
for (const folder of ['packages', 'e2e']) {
  for (const file of listFiles(join(ROOT, folder)).filter((path) => /\.(test|spec)\.tsx?$/.test(path))) {
    for (const match of readFileSync(file, 'utf8').matchAll(TITLE)) {
      for (const id of claimedCases(match[2] ?? '')) {
        const known = cases.get(id);
        if (known) known.tests.push(relative(ROOT, file));
        else unknown.push(`${id} in ${relative(ROOT, file)}`);
      }
    }
  }
}

const all = [...cases.values()];
const covered = all.filter((one) => one.tests.length > 0);
if (process.argv.includes('--json'))
  console.log(JSON.stringify({ covered: covered.length, total: all.length, cases: all, unknown }, null, 2));
else {
  for (const one of all)
    console.log(`${one.tests.length > 0 ? 'covered    ' : 'not covered'}  ${one.id.padEnd(7)} ${one.text}`);
  for (const claim of unknown) console.log(`unknown      ${claim}`);
  console.log(`${covered.length} of ${all.length} acceptance cases covered`);
}
process.exitCode = unknown.length > 0 ? 1 : 0;
