// What an answer of the engine means; above all which failures of a stop are none (chapter 10 §7.5).

import { expect, it } from 'vitest';
import { isMissingImage, isNameTaken, isNotFound, isPortTaken, isRemovalInProgress } from './engine-errors.ts';

const answered = (statusCode: number, message: string) => Object.assign(new Error(message), { statusCode });

it.each([
  [true, 'removal of container 0a1b is already in progress'],
  [false, 'removal of container 0a1b failed: device busy'],
  [false, 'the operation is already in progress'],
  [false, 'socket hang up'],
])('already being removed: %s for "%s"', (expected, message) => {
  expect(isRemovalInProgress(answered(409, message))).toBe(expected);
});

it('absent is known by the status alone', () => {
  expect(isNotFound(answered(404, 'no such container'))).toBe(true);
  expect(isNotFound(answered(500, 'no such container'))).toBe(false);
  expect(isNotFound(new Error('timeout'))).toBe(false);
});

it('a taken name and a taken port are told from other conflicts', () => {
  const nameTaken = 'Conflict. The container name "/ws-1" is already in use by container "x".';
  expect(isNameTaken(answered(409, nameTaken))).toBe(true);
  expect(isNameTaken(answered(409, 'container is paused'))).toBe(false);
  expect(isPortTaken(answered(500, 'Bind for 127.0.0.1:1 failed: port is already allocated'))).toBe(true);
  expect(isPortTaken(answered(500, 'listen tcp4 127.0.0.1:1: bind: address already in use'))).toBe(true);
  expect(isPortTaken(answered(500, 'no space left on device'))).toBe(false);
});

it('an image nobody has is not an engine out of order', () => {
  expect(isMissingImage(answered(404, 'manifest for x:latest not found: manifest unknown'))).toBe(true);
  expect(isMissingImage(answered(500, 'dial tcp: i/o timeout'))).toBe(false);
});
