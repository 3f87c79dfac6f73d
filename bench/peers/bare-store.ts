// The baseline of the start bench: PGlite as shipped, opened on a folder of its own and asked once. Nothing else is loaded.

import { PGlite } from '@electric-sql/pglite';
import { readOptions, tell } from './peer.ts';

const { dir } = readOptions<{ dir: string }>();
const store = await PGlite.create(dir);
await store.query('select 1');
process.on('SIGTERM', () => store.close().then(() => process.exit(0)));
tell({});
