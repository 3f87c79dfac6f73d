// The system prompt, from real files and a platform on a real socket.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { createFolder, createTestLog, openPlatform, SELF } from '../../test/test-agent.ts';
import { loadConfig } from '../config.ts';
import { createCredentials } from '../credentials.ts';
import { createPlatformClient } from '../link/platform-client.ts';
import { createSystemPrompt } from './system-prompt.ts';

const LEAD = '33333333-3333-4333-8333-333333333333';
const TOOLS = [
  {
    name: 'delegate_task',
    description: 'Hands a task over.',
    whenToUse: 'Use it often.',
    inputSchema: {},
    run: async () => ({}),
  },
];

async function createRig(config: Record<string, unknown> = {}, files: Record<string, string> = {}) {
  const platform = await openPlatform();
  const configDir = createFolder();
  writeFileSync(join(configDir, 'config.yaml'), stringify({ name: 'Ada', role: 'Sums.', ...config }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(configDir, name), text);
  const { log, lines } = createTestLog();
  const credentials = createCredentials(configDir, {}, log);
  const client = createPlatformClient({ platformUrl: platform.url, workspaceId: SELF, credentials, log });
  onTestFinished(() => client.close());
  const build = createSystemPrompt({
    config: loadConfig(configDir, undefined),
    configDir,
    parentId: LEAD,
    client,
    tools: TOOLS,
    log,
  });
  return { platform, build, lines };
}

const peer = (id: string, name: string, parent: string | null) => ({
  id,
  name,
  role: `${name} role`,
  status: 'online',
  parent_id: parent,
  agent_card: { skills: [{ id: 's', name: 'C' }] },
});

it('has instructions, prompt files, memory, coordinator rules, peers, tools and failure rules in this order', async () => {
  const { platform, build } = await createRig(
    { prompt_files: ['first.md', 'second.md'], shared_context: ['context.md'] },
    { 'first.md': 'FIRST', 'second.md': 'SECOND', 'MEMORY.md': 'MEMORY', 'USER.md': 'USER', 'context.md': 'CONTEXT' },
  );
  platform.on(`GET /workspaces/${SELF}/instructions/resolve`, () => ({
    body: { instructions: '## Platform-Wide Rules\n\n### Be kind' },
  }));
  platform.on(`GET /registry/${SELF}/peers`, () => ({
    body: [peer(LEAD, 'Grace', null), peer('r1', 'Linus', SELF), peer('s1', 'Alan', LEAD)],
  }));
  const prompt = await build();
  const order = [
    '## Platform-Wide Rules',
    'FIRST',
    'SECOND',
    'MEMORY',
    'USER',
    '## You lead a team',
    '## Who you are and who you can work with\nYou are Ada: Sums.',
    `- Grace (id ${LEAD}, your lead, online): Grace role Skills: C.`,
    '- Linus (id r1, reports to you, online)',
    '- Alan (id s1, your peer, online)',
    '## Your tools\n- delegate_task: Hands a task over. Use it often.',
    '## When a delegation fails',
  ].map((part) => prompt.indexOf(part));
  expect(order).not.toContain(-1);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(prompt).not.toContain('CONTEXT');
  expect(prompt.toLowerCase()).not.toContain('parent context');
});

it('lets a lead do work itself where it is told to', async () => {
  for (const [mode, expected] of [
    ['strict', 'do not do it yourself'],
    ['assist', 'do the rest yourself'],
    ['off', null],
  ] as const) {
    const { platform, build } = await createRig({ prompt_files: [], coordinator: { mode } });
    platform.on(`GET /registry/${SELF}/peers`, () => ({ body: [peer('r1', 'Linus', SELF)] }));
    const prompt = await build();
    if (expected === null) expect(prompt).not.toContain('You lead a team');
    else expect(prompt).toContain(expected);
  }
});

it('does without what cannot be read', async () => {
  const { platform, build, lines } = await createRig({ prompt_files: ['missing.md'] });
  await platform.stop();
  const prompt = await build();
  expect(prompt).toContain('You are Ada');
  expect(prompt).not.toContain('You lead a team');
  expect(lines.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining(['a prompt file is missing', 'the peers could not be read for the prompt']),
  );
});
