// Who may run agents as processes when several platforms share a database.

import { chosenStore, openTestDatabase, startPlatform } from '@molecule/testkit';
import { describe, expect, it } from 'vitest';

const env = { MOLECULE_PROVISIONER: 'process' };

describe.runIf(chosenStore() === 'postgres')('a second platform that runs agents as processes', () => {
  it('does not start while the first one lives, unless it leaves the agents alone', async () => {
    const db = await openTestDatabase();
    try {
      const first = await startPlatform({ db, env });
      await expect(startPlatform({ db, env })).rejects.toMatchObject({ code: 'workloads_elsewhere' });
      const onlooker = await startPlatform({ db, env: { MOLECULE_PROVISIONER: 'none' } });
      expect((await fetch(`${onlooker.url}/health`)).status).toBe(200);
      await onlooker.stop();
      await first.stop();
      const successor = await startPlatform({ db, env });
      await successor.stop();
    } finally {
      await db.close();
    }
  });
});
