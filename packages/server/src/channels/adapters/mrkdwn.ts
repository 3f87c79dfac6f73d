// Markdown as agents write it → Slack's mrkdwn. Code stays as it is, tables become monospace. Pure.

const CODE = /```[\s\S]*?```|`[^`\n]+`/g;
const TABLE = /(?:^\|.*\|[ \t]*(?:\n|$)){2,}/gm;
const RULE_ROW = /^\|[\s:|-]+\|\s*$/;
/** Marks a piece that is done; private-use characters do not occur in prose. */
const [OPEN, CLOSE] = ['\ue000', '\ue001'];

const escapeText = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function alignTable(table: string): string {
  const rows = table
    .trim()
    .split('\n')
    .filter((row) => !RULE_ROW.test(row))
    .map((row) =>
      row
        .trim()
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, column) => Math.max(most[column] ?? 0, cell.length)),
    [],
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `\`\`\`\n${escapeText(lines.join('\n'))}\n\`\`\`\n`;
}

function convertProse(text: string): string {
  return (
    text
      .replace(/^#{1,6}\s+(.+?)\s*#*$/gm, `${OPEN}b$1${CLOSE}b`)
      .replace(/\*\*(\S(?:[^\n]*?\S)?)\*\*|__(\S(?:[^\n]*?\S)?)__/g, (_, a, b) => `${OPEN}b${a ?? b}${CLOSE}b`)
      .replace(/(?<![*\w])\*(\S(?:[^*\n]*?\S)?)\*(?![*\w])/g, '_$1_')
      .replace(/~~(\S(?:[^\n]*?\S)?)~~/g, '~$1~')
      .replace(/!?\[([^\]\n]+)\]\((https?:[^\s)]+)\)/g, '<$2|$1>')
      .replace(/^(\s*)[-*+]\s+/gm, '$1• ')
      // Bold inside a bold heading is bold once.
      .replace(new RegExp(`(${OPEN}b[^${OPEN}\\n]*)${OPEN}b([^${CLOSE}\\n]*)${CLOSE}b`, 'g'), '$1$2')
      .replaceAll(`${OPEN}b`, '*')
      .replaceAll(`${CLOSE}b`, '*')
  );
}

/** @returns text for a field of type `mrkdwn`. */
export function toMrkdwn(markdown: string): string {
  const kept: string[] = [];
  const keep = (piece: string) => `${OPEN}${kept.push(piece) - 1}${CLOSE}`;
  const marked = markdown
    .replaceAll(OPEN, '')
    .replaceAll(CLOSE, '')
    .replace(CODE, (code) => keep(escapeText(code.replace(/^```\w+\n/, '```\n'))))
    .replace(TABLE, (table) => keep(alignTable(table)));
  return convertProse(escapeText(marked)).replace(
    new RegExp(`${OPEN}(\\d+)${CLOSE}`, 'g'),
    (_, at) => kept[Number(at)] ?? '',
  );
}
