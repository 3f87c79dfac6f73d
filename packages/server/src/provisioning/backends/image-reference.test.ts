// Which images are pulled again and which never (chapter 10 §7.5).

import { describe, expect, it } from 'vitest';
import { imageOf, isLocalOnly, isMoving, isUnpinnedOf, parseImageReference } from './image-reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('a reference', () => {
  it.each([
    ['x', 'x', null, null],
    ['x:1.0', 'x', '1.0', null],
    ['localhost:5000/x', 'localhost:5000/x', null, null],
    ['localhost:5000/x:1.0', 'localhost:5000/x', '1.0', null],
    [`x@${DIGEST}`, 'x', null, DIGEST],
    [`h:1/a/b:latest@${DIGEST}`, 'h:1/a/b', 'latest', DIGEST],
  ])('%s', (reference, repository, tag, digest) => {
    expect(parseImageReference(reference)).toEqual({ repository, tag, digest });
  });

  it.each([
    'x',
    'x:latest',
    'x:staging',
    'x:main',
    'x:dev',
    'x:edge',
    'x:nightly',
    'x:rolling',
    'localhost:5000/x',
    'localhost:5000/x:latest',
  ])('%s may have changed', (reference) => {
    expect(isMoving(reference)).toBe(true);
  });

  it.each([
    'x:1.2.3',
    'x:v1',
    'x:sha-0a1b2c3',
    'x:2026-01-31',
    'x:build-77',
    'localhost:5000/x:1.0',
    `x@${DIGEST}`,
    `x:latest@${DIGEST}`,
    'workspace-template:latest',
    'workspace-template:claude-code',
  ])('%s stays what it is', (reference) => {
    expect(isMoving(reference)).toBe(false);
  });

  it('what is built here by hand is asked of no registry', () => {
    expect(isLocalOnly('workspace-template:x')).toBe(true);
    expect(isLocalOnly('registry.example/workspace-template:x')).toBe(false);
  });

  it('of a runtime is its newest, or its pin', () => {
    expect(imageOf('molecule/workspace-', 'echo', null)).toBe('molecule/workspace-echo:latest');
    expect(imageOf('localhost:5000/ws-', 'echo', DIGEST)).toBe(`localhost:5000/ws-echo@${DIGEST}`);
  });

  it('follows a repository only without a digest, and by its whole name', () => {
    expect(isUnpinnedOf('molecule/workspace-echo:latest', 'molecule/workspace-echo')).toBe(true);
    expect(isUnpinnedOf(`molecule/workspace-echo@${DIGEST}`, 'molecule/workspace-echo')).toBe(false);
    expect(isUnpinnedOf('molecule/workspace-echo-2:latest', 'molecule/workspace-echo')).toBe(false);
    expect(isUnpinnedOf(DIGEST, 'molecule/workspace-echo')).toBe(false);
  });
});
