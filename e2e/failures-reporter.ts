// Says once more, at the very end and in few lines, what failed and why: the end of a log is what people are shown of a run elsewhere.

import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestCase, TestResult } from '@playwright/test/reporter';

const MOST_LINES = 6;

export default class FailuresReporter implements Reporter {
  readonly #failures: string[] = [];

  onTestEnd(test: TestCase, { status, error }: TestResult): void {
    if (status === 'passed' || status === 'skipped') return;
    const place = `${test.location.file.split('/').at(-1)}:${test.location.line}`;
    const lines = stripVTControlCharacters(error?.message ?? status)
      .split('\n')
      .filter((line) => line.trim() !== '');
    this.#failures.push([`${place} ${test.title}`, ...lines.slice(0, MOST_LINES)].join('\n    '));
  }

  onEnd(): void {
    for (const failure of this.#failures) console.log(`\nnot passed: ${failure}`);
  }

  printsToStdio(): boolean {
    return false;
  }
}
