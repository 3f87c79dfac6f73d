// Claims for people (a table) and for programs (one JSON object per line).

import type { Aim, Claim } from './claim.ts';

const plain = (value: number) =>
  Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en-US')
    : String(Number(value.toPrecision(Math.abs(value) >= 100 ? 3 : 2)));

export function describeAim(aim: Aim | null, claim: Pick<Claim, 'unit'>): string {
  if (aim === null) return '–';
  const [sign, limit] = aim.atLeast === undefined ? ['≤', aim.atMost ?? 0] : ['≥', aim.atLeast];
  return `${sign} ${limit}${aim.on === 'ratio' ? ' ×' : ` ${claim.unit}`}`;
}

const describeMet = (met: boolean | null) => (met === null ? '–' : met ? 'yes' : 'NO');

function toRow(claim: Claim): string[] {
  const { baseline } = claim;
  return [
    claim.name,
    `${plain(claim.value)} ${claim.unit}`,
    `${baseline.name}: ${plain(baseline.value)} ${baseline.unit}`,
    `${plain(claim.ratio)} ×`,
    describeAim(claim.aim, claim),
    describeMet(claim.met),
  ];
}

const HEADS = ['claim', 'measured', 'baseline', 'ratio', 'aim', 'met'];

/** @returns lines: the table, then what each claim is and what else was measured beside it. */
export function renderTable(claims: readonly Claim[]): string {
  const rows = [HEADS, ...claims.map(toRow)];
  const widths = HEADS.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const rule = '─'.repeat(Math.max(...lines.map((line) => line.length)));
  const notes = claims.flatMap((claim) => {
    const medians = Object.entries(claim.medians).map(([name, value]) => `${name} ${plain(value)}`);
    const line = `${claim.name}: ${claim.what}.${medians.length > 0 ? ` ${medians.join(', ')}` : ''}`;
    return [line, ...(claim.notes ?? []).map((note) => `  ${note}`)];
  });
  return [lines[0], rule, ...lines.slice(1), '', ...notes].join('\n');
}

export function renderJson(claim: Claim): string {
  return JSON.stringify(claim);
}
