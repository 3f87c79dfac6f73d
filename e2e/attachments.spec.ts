// Files in the chat, both ways, on a real agent process and its real folders (spec chapter 50 §7.1 "Files", "Composer").

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Download, Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, keepScreenshot, node, openStage, type Stage, setTheme, test } from './stage.ts';
import { bubbles, openChat } from './talking.ts';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const NOTES = '# Launch checklist\n\n- [x] ledger\n- [ ] plan picker\n';

const chips = (page: Page) => page.getByTestId('attachment');

/** What the browser does when a person pastes or drops files: the event with its data. */
async function give(page: Page, how: 'paste' | 'drop', files: { name: string; type: string; base64: string }[]) {
  await page.getByTestId('composer').evaluate(
    (area, { how, files }) => {
      const data = new DataTransfer();
      for (const { name, type, base64 } of files) {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        data.items.add(new File([bytes], name, { type }));
      }
      const dragged = (kind: string) =>
        area.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
      if (how === 'paste')
        area.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data }));
      else for (const kind of ['dragenter', 'dragover', 'drop']) dragged(kind);
    },
    { how, files },
  );
}

/** Files under way over the chat, not let go yet. */
const hover = (page: Page) =>
  page.getByTestId('composer').evaluate((area) => {
    const data = new DataTransfer();
    data.items.add(new File(['x'], 'x.txt'));
    area.dispatchEvent(new DragEvent('dragenter', { bubbles: true, cancelable: true, dataTransfer: data }));
  });

async function bytesOf(download: Download): Promise<Buffer> {
  return readFileSync(await download.path());
}

async function withAgent(
  page: Page,
  work: (stage: Stage, id: string, uploads: () => { name: string; bytes: Buffer }[]) => Promise<void>,
): Promise<void> {
  test.setTimeout(90_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process', PATH: process.env.PATH ?? '' } });
  try {
    const { id } = await stage.platform.admin.createWorkspace({
      body: { name: 'Keeper', runtime: 'echo', canvas: { x: 300, y: 200 } },
    });
    const folder = join(stage.platform.dataDir, 'workspaces', id, 'workspace/.molecule/chat-uploads');
    const uploads = () => readdirSync(folder).map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
    await stage.enter(page);
    await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    await openChat(page, id);
    await work(stage, id, uploads);
  } finally {
    await stage.close();
  }
}

test('C26 a pasted picture and a dropped file are uploaded before the message; chips; reload and download give the same bytes', async ({
  page,
}) => {
  await withAgent(page, async (_stage, _id, uploads) => {
    const order: string[] = [];
    page.on('request', (request) => {
      const path = new URL(request.url()).pathname;
      if (request.method() === 'POST') order.push(path.slice(path.lastIndexOf('/') + 1));
    });
    await give(page, 'paste', [{ name: 'image.png', type: 'image/png', base64: PIXEL }]);
    await give(page, 'paste', [
      { name: 'image.png', type: 'image/png', base64: Buffer.from('another').toString('base64') },
    ]);
    await expect(chips(page)).toHaveText([/^image\.png/, /^image-2\.png/]);
    await page.getByRole('button', { name: 'Remove image-2.png' }).click();
    await hover(page);
    await expect(page.getByTestId('drop-overlay')).toHaveText('Attach to the message to Keeper');
    await keepScreenshot(page, 'c26-drop');
    const dropped = [{ name: 'launch checklist.md', type: 'text/markdown', base64: btoa(NOTES) }];
    await give(page, 'drop', dropped);
    await expect(page.getByTestId('drop-overlay')).toBeHidden();
    // The same file again is the same attachment.
    await give(page, 'drop', dropped);
    await expect(chips(page)).toHaveText([/^image\.png/, /^launch checklist\.md/]);
    await page.getByTestId('composer').fill('Here is the plan');
    await keepBothThemes(page, 'c26-draft');
    await expectAccessible(page);
    await page.getByTestId('send').click();
    const own = bubbles(page, 'user');
    await expect(own.getByRole('link', { name: /launch_checklist\.md/ })).toBeVisible();
    await expect(own.getByRole('button', { name: 'Show image.png' })).toBeVisible();
    await expect(chips(page)).toHaveCount(0);
    await expect(page.getByTestId('composer')).toHaveValue('');
    await expect(bubbles(page, 'agent')).toHaveCount(1);
    expect(order.slice(0, 2)).toEqual(['uploads', 'a2a']);
    expect(
      uploads()
        .map(({ bytes }) => bytes.toString('base64'))
        .sort(),
    ).toEqual([PIXEL, btoa(NOTES)].sort());
    await keepBothThemes(page, 'c26-sent');

    await page.reload();
    const link = own.getByRole('link', { name: /launch_checklist\.md/ });
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    expect(download.suggestedFilename()).toBe('launch_checklist.md');
    expect((await bytesOf(download)).toString()).toBe(NOTES);
    await own.getByRole('button', { name: 'Preview launch_checklist.md' }).click();
    await expect(page.getByTestId('file-preview')).toContainText('plan picker');
    await keepBothThemes(page, 'c26-text-preview');
    await page.keyboard.press('Escape');
    await own.getByRole('button', { name: 'Show image.png' }).click();
    await expect(page.getByTestId('file-preview').getByRole('img', { name: 'image.png' })).toBeVisible();
    await keepScreenshot(page, 'c26-lightbox');
    const [picture] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    expect((await bytesOf(picture)).toString('base64')).toBe(PIXEL);
  });
});

test('C27 a file of 26 MB is refused before it is sent; a refused upload (stub 413) names the file, and the draft stays', async ({
  page,
}) => {
  await withAgent(page, async () => {
    let uploads = 0;
    await page.route('**/chat/uploads', (route) => {
      uploads += 1;
      const tooBig = { status: 413, json: { error: 'plan.pdf is larger than 25 MB', code: 'body_too_large' } };
      const later = {
        status: 503,
        headers: { 'retry-after': '30' },
        json: {
          error: 'the agent gets its new credential with the next heartbeat; retry then',
          code: 'inbound_secret_missing',
          retry_after_seconds: 30,
        },
      };
      if (uploads > 2) return route.continue();
      return route.fulfill(uploads === 1 ? tooBig : later);
    });
    const input = page.getByTestId('attach-input');
    await input.setInputFiles({
      name: 'film.mov',
      mimeType: 'video/quicktime',
      buffer: Buffer.alloc(26 * 1024 * 1024),
    });
    await expect(page.getByTestId('attachments-refused')).toContainText('film.mov is 26 MB.');
    await expect(chips(page)).toHaveCount(0);
    await input.setInputFiles({ name: 'plan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4') });
    await expect(page.getByTestId('attachments-refused')).toBeHidden();
    await page.getByTestId('composer').fill('Please read it');
    await page.getByTestId('send').click();
    const problem = page.getByTestId('upload-problem');
    await expect(problem).toContainText('plan.pdf is larger than 25 MB');
    await expect(problem.getByRole('button')).toHaveCount(0);
    await expect(page.getByTestId('composer')).toHaveValue('Please read it');
    await expect(chips(page)).toHaveText(/^plan\.pdf/);
    await expect(page.getByTestId('bubble')).toHaveCount(0);
    await keepBothThemes(page, 'c27-refused');

    // An upload that takes too long is stopped; nothing of the draft is lost.
    await page.route('**/chat/uploads', () => {}, { times: 1 });
    await page.getByTestId('send').click();
    await expect(chips(page).getByRole('progressbar')).toBeVisible();
    await page.getByRole('button', { name: 'Stop the upload' }).click();
    await expect(chips(page).getByRole('progressbar')).toHaveCount(0);
    await expect(problem).toBeHidden();
    await expect(page.getByTestId('composer')).toHaveValue('Please read it');
    await expect(page.getByTestId('bubble')).toHaveCount(0);

    await page.clock.install();
    await page.getByTestId('send').click();
    await expect(problem).toContainText('retry then');
    await expect(problem.getByRole('button')).toHaveText(/Retry in \d+ s/);
    await expect(problem.getByRole('button')).toBeDisabled();
    await page.clock.runFor(31_000);
    await problem.getByRole('button', { name: 'Retry' }).click();
    await expect(bubbles(page, 'user')).toContainText('Please read it');
    await expect(bubbles(page, 'user').getByRole('link', { name: /plan\.pdf/ })).toBeVisible();
    await expect(chips(page)).toHaveCount(0);
  });
});

test('C26 an agent’s files: shown, previewed or only downloaded by their kind; a missing one says why', async ({
  page,
}) => {
  await withAgent(page, async (stage, id) => {
    const token = (await stage.platform.admin.createToken({ params: { id } })).auth_token;
    const uri = (name: string) => `workspace:/workspace/${name}`;
    await stage.platform.client(token, id).notify({
      params: { id },
      body: {
        message: 'Three files',
        attachments: [
          { uri: uri('drawing.svg'), name: 'drawing.svg', mimeType: 'image/svg+xml', size: 200 },
          { uri: uri('gone.md'), name: 'gone.md', mimeType: 'text/markdown', size: 20 },
          { uri: 'https://example.org/spec', name: 'spec', mimeType: 'text/html' },
        ],
      },
    });
    const said = bubbles(page, 'agent');
    await expect(said).toContainText('Three files');
    await expect(said.getByRole('button', { name: 'Preview drawing.svg' })).toHaveCount(0);
    await expect(said.getByRole('link', { name: /spec/ })).toHaveAttribute('rel', /noopener/);
    await said.getByRole('link', { name: /gone\.md/ }).click();
    await expect(page.getByTestId('toast')).toContainText('gone.md could not be downloaded');
    await said.getByRole('button', { name: 'Preview gone.md' }).click();
    await expect(page.getByTestId('file-preview').getByRole('alert')).toContainText('gone.md could not be shown');
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 390, height: 844 });
    for (const theme of ['dark', 'light'] as const) {
      await setTheme(page, theme);
      await keepScreenshot(page, `c26-phone-${theme}`);
    }
  });
});

test('C26 an agent that polls: what is attached is staged and handed out again, and so is what it attaches itself', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({ name: 'Laptop', deliveryMode: 'poll', workspace: { canvas: { x: 300, y: 200 } } });
  const own = stage.platform.client(agent.token, agent.id);
  await stage.enter(page);
  await openChat(page, agent.id);
  await page.getByTestId('attach-input').setInputFiles({
    name: 'launch checklist.md',
    mimeType: 'text/markdown',
    buffer: Buffer.from(NOTES),
  });
  await page.getByTestId('composer').fill('Read it when the lid is open');
  await page.getByTestId('send').click();
  const mine = bubbles(page, 'user');
  await expect(mine.getByTestId('receipt')).toContainText('Accepted');
  const link = mine.getByRole('link', { name: /launch_checklist\.md/ });
  await page.reload();
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  expect((await bytesOf(download)).toString()).toBe(NOTES);
  await expect(page.getByTestId('bubble')).toHaveCount(1);

  const form = new FormData();
  form.append('files', new Blob(['done'], { type: 'text/plain' }), 'report.txt');
  const reply = await fetch(`${stage.platform.url}/workspaces/${agent.id}/chat/uploads`, {
    method: 'POST',
    headers: { authorization: `Bearer ${agent.token}` },
    body: form,
  });
  const { files } = (await reply.json()) as { files: { uri: string; name: string; mimeType: string; size: number }[] };
  await own.notify({ params: { id: agent.id }, body: { message: 'Here it is', attachments: files } });
  const theirs = bubbles(page, 'agent');
  await theirs.getByRole('button', { name: 'Preview report.txt' }).click();
  await expect(page.getByTestId('file-preview')).toContainText('done');
  await page.keyboard.press('Escape');
  const [report] = await Promise.all([
    page.waitForEvent('download'),
    theirs.getByRole('link', { name: /report\.txt/ }).click(),
  ]);
  expect((await bytesOf(report)).toString()).toBe('done');
});
