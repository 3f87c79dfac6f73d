// What every `--help` ends with: examples and exit codes.

import type { Command } from 'commander';

interface Help {
  examples: [command: string, meaning: string][];
  exitCodes: [code: number, meaning: string][];
}

function formatPairs(pairs: (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([left]) => left.length));
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd()).join('\n');
}

export function addHelp(command: Command, { examples, exitCodes }: Help): Command {
  const codes = exitCodes.map(([code, meaning]) => [String(code), meaning] as const);
  return command.addHelpText('after', `\nExamples:\n${formatPairs(examples)}\n\nExit codes:\n${formatPairs(codes)}`);
}
