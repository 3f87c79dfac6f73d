// The panel's edge: drag it, or use the arrows. The width is remembered by this browser.

import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect } from 'react';
import { readStored, writeStored } from '../app/preferences.ts';

const KEY = 'molecule:sidepanel-width';
const LEAST = 320;
const MOST = 800;
const STEP = 16;
const STANDARD = 480;

const most = () => Math.min(MOST, Math.round(innerWidth * 0.8));

function setWidth(width: number): void {
  const bounded = Math.max(LEAST, Math.min(width, most()));
  document.documentElement.style.setProperty('--panel-w', `${bounded}px`);
  writeStored(KEY, String(bounded));
}

export function ResizeHandle({ panel }: { panel: RefObject<HTMLElement | null> }) {
  useEffect(() => {
    const stored = Number(readStored(KEY));
    if (stored >= LEAST) setWidth(stored);
  }, []);

  function drag(event: PointerEvent<HTMLDivElement>) {
    event.currentTarget.setPointerCapture(event.pointerId);
    const move = (moved: globalThis.PointerEvent) => setWidth(innerWidth - moved.clientX);
    const handle = event.currentTarget;
    handle.addEventListener('pointermove', move);
    handle.addEventListener('pointerup', () => handle.removeEventListener('pointermove', move), { once: true });
  }

  function onKeyDown(event: KeyboardEvent) {
    const width = panel.current?.offsetWidth ?? STANDARD;
    const next = { ArrowLeft: width + STEP, ArrowRight: width - STEP, Home: LEAST, End: MOST }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    setWidth(next);
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that can be moved has no element of its own
    <div
      className="handle"
      role="separator"
      aria-orientation="vertical"
      aria-label="Panel width"
      aria-valuenow={STANDARD}
      aria-valuemin={LEAST}
      aria-valuemax={MOST}
      tabIndex={0}
      onPointerDown={drag}
      onKeyDown={onKeyDown}
    />
  );
}
