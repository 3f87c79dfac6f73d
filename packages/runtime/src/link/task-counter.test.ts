// Labels of running turns.

import { expect, it } from 'vitest';
import { createTaskCounter, toLabel } from './task-counter.ts';

it('is the first meaningful line, without Markdown marks, of 60 characters at most', () => {
  const labels: [string, string][] = [
    ['\n\n## **Plan** the _launch_\nand more', 'Plan the launch'],
    ['> - `run` the *tests*', 'run the tests'],
    ['1. keep snake_case and 2*3', 'keep snake_case and 2*3'],
    ['👍', '👍'],
    ['***\n---\nafter the rule', 'after the rule'],
    ['', ''],
    ['x'.repeat(100), 'x'.repeat(60)],
  ];
  for (const [text, label] of labels) expect([text, toLabel(text)]).toEqual([text, label]);
});

it('lists at most fifty ids, and counts out once', () => {
  const counter = createTaskCounter();
  let changes = 0;
  counter.onChange(() => {
    changes += 1;
  });
  const ends = Array.from({ length: 60 }, (_, index) =>
    counter.beginTask({
      turnId: `t${index}`,
      label: `turn ${index}`,
      messageId: `m${index}`,
      delegationId: index % 2 ? `d${index}` : null,
    }),
  );
  expect(counter.active()).toBe(60);
  expect(counter.currentTask()).toBe('turn 59');
  expect(counter.messageIds()).toHaveLength(50);
  expect(counter.delegationIds()).toHaveLength(30);
  for (const end of [...ends, ...ends]) end();
  expect(counter.active()).toBe(0);
  expect(counter.currentTask()).toBe('');
  expect(changes).toBe(120);
});
