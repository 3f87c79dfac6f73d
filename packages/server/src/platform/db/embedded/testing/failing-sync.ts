// Preloaded into the database worker by a test (NODE_OPTIONS=--import): a disk that fails one sync as soon as the test asks for it,
// by creating the file FAIL_NEXT_SYNC names.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const request = process.env.FAIL_NEXT_SYNC;
if (request) {
  for (const name of ['fsyncSync', 'fdatasyncSync'] as const) {
    const sync = fs[name];
    fs[name] = (fd) => {
      if (fs.existsSync(request)) {
        fs.rmSync(request);
        throw Object.assign(new Error('the disk failed'), { code: 'EIO' });
      }
      sync(fd);
    };
  }
  syncBuiltinESMExports();
}
