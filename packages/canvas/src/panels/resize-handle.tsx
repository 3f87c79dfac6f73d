// The panel's edge: drag it, or use the arrows. The width is remembered by this browser.

import { type KeyboardEvent, type PointerEvent, useEffect, useState } from 'react';
import { readStored, writeStored } from '../app/preferences.ts';

const KEY = 'molecule:sidepanel-width';
const LEAST = 320;
const MOST = 800;
const MOST_SHARE = 0.8;
const STEP = 16;
const STANDARD = 480;

const bound = (width: number) => Math.round(Math.max(LEAST, Math.min(width, MOST, window.innerWidth * MOST_SHARE)));

function readWidth(): number {
  const stored = Number(readStored(KEY));
  return stored >= LEAST ? bound(stored) : STANDARD;
}

export function ResizeHandle() {
  const [width, setWidth] = useState(readWidth);
  useEffect(() => {
    document.documentElement.style.setProperty('--panel-w', `${width}px`);
    writeStored(KEY, width === STANDARD ? null : String(width));
  }, [width]);

  function onPointerMove(event: PointerEvent<HTMLDivElement>) {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) setWidth(bound(window.innerWidth - event.clientX));
  }

  function onKeyDown(event: KeyboardEvent) {
    const next = { ArrowLeft: width + STEP, ArrowRight: width - STEP, Home: LEAST, End: MOST }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    setWidth(bound(next));
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that can be moved has no element of its own
    <div
      className="handle"
      role="separator"
      aria-orientation="vertical"
      aria-label="Panel width"
      aria-valuenow={width}
      aria-valuemin={LEAST}
      aria-valuemax={MOST}
      tabIndex={0}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={onPointerMove}
      onKeyDown={onKeyDown}
    />
  );
}
