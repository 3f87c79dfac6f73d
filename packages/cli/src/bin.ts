#!/usr/bin/env node
// The process behind `molecule`.

import { createProgram } from './index.ts';

await createProgram().parseAsync();
