// The in-process bus: every frame of the socket, for panels that show more than the graph does.

import type { EventFrame } from '@molecule/contract';

type Handler = (frame: EventFrame) => void;
const handlers = new Set<Handler>();

/** @returns unsubscribe. */
export function onEvent(handler: Handler): () => void {
  handlers.add(handler);
  return () => void handlers.delete(handler);
}

/** One failing panel never keeps a frame from the others. */
export function publishEvent(frame: EventFrame): void {
  for (const handler of handlers) {
    try {
      handler(frame);
    } catch (error) {
      console.error('An event handler failed', error);
    }
  }
}
