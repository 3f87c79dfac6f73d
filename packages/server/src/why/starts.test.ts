// What keeps a workspace from starting, with the backend that runs processes and one that is not there.

import { signalProcess, startPlatform, waitFor } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProcessSeats, startProcessSeats, untilGone } from '../../test/process-seats.ts';

let seats: ProcessSeats;
beforeAll(async () => {
  seats = await startProcessSeats({ env: { MOLECULE_PROVISION_CONCURRENCY: '1' } });
});
afterAll(async () => {
  await seats?.stop();
});

const why = (id: string) => seats.admin.explainWorkspace({ params: { id } });
const actionsOf = ({ actions }: Awaited<ReturnType<typeof why>>) => actions.map(({ action }) => action);

describe('starting', () => {
  it('20.130 one that starts has its deadline; one behind it waits for its turn', async () => {
    const first = await seats.create('silent');
    await seats.untilStarts(first, 1);
    const second = await seats.create();
    const starting = await why(first);
    const { status_changed_at: since } = await seats.row(first);
    expect(starting).toMatchObject({
      stuck: false,
      chain: [{ cause: 'starting', since }],
      next: { what: 'start_deadline', at: new Date(Date.parse(since) + 600_000).toISOString() },
    });
    const inLine = await waitFor('the second is in line', async () => {
      const shown = await why(second);
      return shown.chain[0]?.cause === 'no_capacity' && shown;
    });
    expect(inLine).toMatchObject({ stuck: true, next: { what: 'start_deadline' } });
    await seats.admin.deleteWorkspace({ params: { id: first }, query: { confirm: 'true' } });
    await seats.until(second, 'online');
    expect(await why(second)).toMatchObject({ stuck: false, chain: [{ cause: 'nothing' }] });
    expect((await why(second)).checked).toContainEqual({
      check: 'dead_backend',
      says: 'Its process runs (process)',
      figures: { backend: 'process' },
    });
  });

  it('20.130 a failed start: its own words, and when it is tried again, if it is', async () => {
    const refused = await seats.create('refuse');
    await seats.until(refused, 'failed');
    const shown = await why(refused);
    expect(shown).toMatchObject({
      stuck: true,
      chain: [{ cause: 'failed', figures: { error: expect.stringContaining('ANTHROPIC_API_KEY is not set') } }],
      next: null,
    });
    expect(actionsOf(shown)).toEqual(['retry', 'show_errors', 'wait']);
    expect(shown.actions.at(-1)).toMatchObject({ consequence: 'Nothing happens by itself.' });

    const crashing = await seats.create('crash-early');
    const retried = await waitFor('a retry has its time', async () => {
      const seen = await why(crashing);
      return seen.chain[0]?.cause === 'failed' && seen.next?.what === 'start_retry' && seen;
    });
    expect(Date.parse(retried.next?.at ?? '')).toBeGreaterThan(Date.parse(retried.as_of) - 1_000);
    await seats.admin.deleteWorkspace({ params: { id: crashing }, query: { confirm: 'true' } });
  });

  it('20.130 an agent that died: offline, with the time of its next start', async () => {
    const id = await seats.create();
    await seats.until(id, 'online');
    const [pid] = seats.starts(id);
    seats.rescript(id, 'crash-early');
    signalProcess(pid, 'SIGKILL');
    await untilGone(pid ?? 0);
    const shown = await waitFor('it is offline', async () => {
      const seen = await why(id);
      return seen.chain[0]?.cause === 'offline' && seen.next?.what === 'start_retry' && seen;
    });
    expect(shown).toMatchObject({ stuck: true, chain: [{ status: 'offline' }] });
    expect(actionsOf(shown)).toEqual(['restart', 'show_errors', 'wait']);
    await seats.admin.deleteWorkspace({ params: { id }, query: { confirm: 'true' } });
  });

  it('20.130 below a paused seat nothing starts', async () => {
    const parent = await seats.create();
    const child = await seats.create('', { parent_id: parent });
    await seats.until(parent, 'online');
    await seats.until(child, 'online');
    await seats.platform.workspaces.transition('pause', parent, { patch: { url: null } });
    await seats.platform.workspaces.transition('go_offline', child, { patch: { last_sample_error: 'gone' } });
    const shown = await why(child);
    expect(shown).toMatchObject({
      chain: [{ cause: 'paused', status: 'offline', figures: { paused_ancestor: { workspace_id: parent } } }],
    });
    expect(shown.actions[0]).toMatchObject({ action: 'resume', workspace_id: parent });
  });
});

it('20.130 a backend that does not answer, and none at all', async () => {
  const dead = await startPlatform({
    env: { MOLECULE_PROVISIONER: 'docker', DOCKER_HOST: 'unix:///nonexistent/docker.sock' },
  });
  try {
    const { id } = await dead.admin.createWorkspace({ body: { name: 'Nowhere', runtime: 'echo' } });
    const shown = await waitFor('the start has failed', async () => {
      const seen = await dead.admin.explainWorkspace({ params: { id } });
      return seen.subject.status === 'failed' && seen;
    });
    expect(shown).toMatchObject({ stuck: true, chain: [{ cause: 'dead_backend', figures: { backend: 'docker' } }] });
  } finally {
    await dead.stop();
  }
  const none = await startPlatform();
  try {
    const { id } = await none.admin.createWorkspace({ body: { name: 'Nobody', runtime: 'echo' } });
    const shown = await waitFor('the start has failed', async () => {
      const seen = await none.admin.explainWorkspace({ params: { id } });
      return seen.subject.status === 'failed' && seen;
    });
    expect(shown).toMatchObject({ stuck: true, chain: [{ cause: 'no_backend' }], next: null });
    expect(actionsOf(shown)).toEqual(['connect', 'wait']);
  } finally {
    await none.stop();
  }
});
