// Files a poll-mode agent leaves for the person, against a scripted platform: what is sent, and what becomes of refusals.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ScriptedPlatform } from '../../test/scripted-platform.ts';
import { createFolder, createTestLog, openPlatform, SELF } from '../../test/test-agent.ts';
import { createCredentials } from '../credentials.ts';
import { createPlatformClient, type PlatformClient } from '../link/platform-client.ts';
import { createMessageTool } from './message.ts';
import { createFileSharing } from './share-files.ts';

const UPLOADS = `POST /workspaces/${SELF}/chat/uploads`;
const NOTIFY = `POST /workspaces/${SELF}/notify`;
const { signal } = new AbortController();

interface Rig {
  platform: ScriptedPlatform;
  client: PlatformClient;
  root: string;
  log: ReturnType<typeof createTestLog>;
  send(attachments: string[]): Promise<unknown>;
}

async function createRig(): Promise<Rig> {
  const platform = await openPlatform();
  const root = createFolder();
  const log = createTestLog();
  const credentials = createCredentials(createFolder(), { MOLECULE_WORKSPACE_TOKEN: 'own-token' }, log.log);
  const client = createPlatformClient({ platformUrl: platform.url, workspaceId: SELF, credentials, log: log.log });
  onTestFinished(() => client.close());
  platform.on(`GET /workspaces/${SELF}`, () => ({ body: { id: SELF, name: 'Ada', delivery_mode: 'poll' } }));
  const tool = createMessageTool({ client, workspaceRoot: root } as Parameters<typeof createMessageTool>[0]);
  const send = (attachments: string[]) =>
    tool.run({ message: 'here', attachments }, { turnId: 't', contextId: 'c', signal });
  return { platform, client, root, log, send };
}

const uploaded = (name: string) => ({
  uri: `platform-pending:${SELF}/22222222-2222-4222-8222-222222222222`,
  name,
  mimeType: 'application/zip',
  size: 8,
});

describe('send_message_to_user of a poll-mode agent', () => {
  it('uploads with its own token, the type sniffed, and tells what the platform calls the files', async () => {
    const { platform, root, send } = await createRig();
    writeFileSync(join(root, 'report'), 'PK\x03\x04rest');
    platform.on(UPLOADS, () => ({ body: { files: [uploaded('report')] } }));
    expect(await send(['/workspace/report'])).toEqual({ ok: true, status: 'sent', attachments: 1 });
    const [call] = platform.callsTo(UPLOADS);
    expect(call?.headers.authorization).toBe('Bearer own-token');
    expect(call?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
    const part = 'name="files"; filename="report"\r\nContent-Type: application/zip\r\n\r\nPK\x03\x04rest\r\n';
    expect(call?.body).toContain(part);
    expect(platform.callsTo(NOTIFY)[0]?.body).toEqual({ message: 'here', attachments: [uploaded('report')] });
  });

  it.each([
    ['a refusal', { status: 413, body: { error: 'report is larger than 25 MB' } }, 'report is larger than 25 MB'],
    ['fewer files than were sent', { body: { files: [] } }, 'the platform took 0 of 1 files'],
  ])('%s is told, and nothing is sent', async (_what, answer, error) => {
    const { platform, root, send } = await createRig();
    writeFileSync(join(root, 'report'), 'x');
    platform.on(UPLOADS, () => answer);
    expect(await send(['/workspace/report'])).toEqual({ ok: false, error, hint: 'Nothing was sent.' });
    expect(platform.callsTo(NOTIFY)).toEqual([]);
  });
});

describe('the files of a reply', () => {
  it('are shared one by one; what cannot be read or is not taken is left out, links stay', async () => {
    const { platform, client, root, log } = await createRig();
    for (const name of ['good', 'refused']) writeFileSync(join(root, name), name);
    mkdirSync(join(root, 'out'));
    symlinkSync('/etc/hostname', join(root, 'link'));
    platform.on(UPLOADS, ({ body }) =>
      String(body).includes('filename="refused"')
        ? { status: 413, body: { error: 'too large' } }
        : { body: { files: [uploaded('good')] } },
    );
    const share = createFileSharing({ client, roots: { '/workspace': root }, log: log.log });
    const link = { uri: 'https://example.com/a.pdf', name: 'a.pdf' };
    const files = [
      ...['good', 'refused', 'link', 'missing'].map((name) => ({ uri: `workspace:/workspace/${name}`, name })),
      link,
    ];
    expect(await share(files, signal)).toEqual([uploaded('good'), link]);
    const left = log.lines.filter(({ msg }) => msg.includes('it is left out')).map(({ file }) => file);
    expect(left).toEqual(['refused', 'link', 'missing']);

    platform.on(UPLOADS, () => ({ status: 503, body: { error: 'later' } }));
    await expect(share([{ uri: 'workspace:/workspace/good', name: 'good' }], signal)).rejects.toThrow('later');
  });
});
