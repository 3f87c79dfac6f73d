// The baseline of the memory bench: a Node process that waits.

import { tell } from './peer.ts';

tell({});
