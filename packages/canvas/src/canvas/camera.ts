// The camera: where it was, fit, zoom, centre on a card. Owns saving it, here and on the platform.

import type { ReactFlowInstance, Viewport } from '@xyflow/react';
import { api } from '../app/api.ts';
import { readStored, writeStored } from '../app/preferences.ts';
import { useGraph } from './graph-state.ts';
import type { Rect } from './layout.ts';

const KEY = 'molecule.viewport';
const SAVE_AFTER_MS = 1_000;
const FLIGHT_MS = 400;
const LEFT_PX = 37;
const TOP_PX = 76;
const RIGHT_PX = 32;
const BOTTOM_PX = 64;
const LEAST_ZOOM = 0.1;
const MOST_SPARE_TOP_PX = 48;

let flow: ReactFlowInstance | null = null;
let saveTimer: ReturnType<typeof setTimeout> | undefined;
let movedByPersonAt = 0;

export function setFlow(instance: ReactFlowInstance | null): void {
  flow = instance;
}

function isViewport(value: unknown): value is Viewport {
  const view = value as Partial<Viewport> | null;
  return [view?.x, view?.y, view?.zoom].every((part) => typeof part === 'number' && Number.isFinite(part));
}

const isDefault = (view: Viewport) => view.x === 0 && view.y === 0 && view.zoom === 1;

/** This browser's own camera first, else the saved one; null asks for a fit. A failure is the same as no camera. */
export async function loadViewport(): Promise<Viewport | null> {
  try {
    const stored: unknown = JSON.parse(readStored(KEY) ?? 'null');
    if (isViewport(stored) && !isDefault(stored)) return stored;
  } catch {
    // Not ours any more; the platform's copy counts.
  }
  const saved = await api.getViewport().catch(() => null);
  return saved && !isDefault(saved) ? saved : null;
}

function saveViewport(view: Viewport): void {
  const rounded = { x: Math.round(view.x), y: Math.round(view.y), zoom: Math.round(view.zoom * 1000) / 1000 };
  writeStored(KEY, JSON.stringify(rounded));
  clearTimeout(saveTimer);
  saveTimer = setTimeout(() => {
    api.putViewport({ body: rounded }).catch(() => {
      // The local copy stands; the next move tries again.
    });
  }, SAVE_AFTER_MS);
}

/** After every move of the camera; `byPerson` when a wheel, a drag or a pinch did it. */
export function noteCamera(view: Viewport, byPerson: boolean): void {
  if (byPerson) movedByPersonAt = Date.now();
  saveViewport(view);
}

export const movedLately = (withinMs: number) => Date.now() - movedByPersonAt < withinMs;

function prefersStill(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches || document.documentElement.dataset.motion === 'reduce';
}
const duration = () => (prefersStill() ? 0 : FLIGHT_MS);

/** Width the side panel takes of the graph. */
export function panelTaken(): number {
  const panel = document.querySelector<HTMLElement>('.app[data-panel] .panel');
  return panel && window.innerWidth >= 1024 ? panel.offsetWidth : 0;
}

interface Room {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** What the islands and the panel leave of the window. */
function readRoom(): Room {
  return {
    left: LEFT_PX,
    top: TOP_PX,
    width: Math.max(200, window.innerWidth - panelTaken() - LEFT_PX - RIGHT_PX),
    height: Math.max(200, window.innerHeight - TOP_PX - BOTTOM_PX),
  };
}

export interface FitOptions {
  animate?: boolean;
  maxZoom?: number;
  minZoom?: number;
}

/** Centred from left to right; near the top when there is room below, because teams are read from their heads down. */
export function fitRect(rect: Rect, room: Room, { maxZoom = 1, minZoom = LEAST_ZOOM }: FitOptions = {}): Viewport {
  const wanted = Math.min(room.width / rect.width, room.height / rect.height);
  const zoom = Math.min(maxZoom, Math.max(minZoom, wanted));
  const spareX = room.width - rect.width * zoom;
  const spareY = Math.min(MOST_SPARE_TOP_PX, Math.max(0, room.height - rect.height * zoom) / 2);
  return { zoom, x: room.left + spareX / 2 - rect.x * zoom, y: room.top + spareY - rect.y * zoom };
}

function boundsOf(boxes: readonly Rect[]): Rect | null {
  if (boxes.length === 0) return null;
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  return { x, y, width: right - x, height: bottom - y };
}

function fit(boxes: readonly Rect[], options: FitOptions): void {
  const rect = boundsOf(boxes);
  if (rect)
    void flow?.setViewport(fitRect(rect, readRoom(), options), {
      duration: options.animate === false ? 0 : duration(),
    });
}

export function fitAll(options: FitOptions = {}): void {
  fit(useGraph.getState().layout.boxes, options);
}

export function resetZoom(): void {
  void flow?.zoomTo(1, { duration: duration() });
}
export function zoomIn(): void {
  void flow?.zoomIn({ duration: duration() / 2 });
}
export function zoomOut(): void {
  void flow?.zoomOut({ duration: duration() / 2 });
}

/** Fits one team, or centres one card. */
export function zoomToNode(id: string): void {
  const box = useGraph.getState().layout.byId.get(id);
  if (box) fit([box], {});
}

/** Brings a card into view, only if it is not. */
export function revealNode(id: string): void {
  const box = useGraph.getState().layout.byId.get(id);
  if (!box || !flow) return;
  const { x, y, zoom } = flow.getViewport();
  const left = box.x * zoom + x;
  const top = box.y * zoom + y;
  const right = window.innerWidth - panelTaken();
  const isVisible =
    left >= 0 &&
    top >= TOP_PX - 24 &&
    left + Math.min(box.width * zoom, 240) <= right &&
    top + 100 <= window.innerHeight;
  if (isVisible) return;
  void flow.setCenter(box.x + box.width / 2 + panelTaken() / 2 / zoom, box.y + Math.min(box.height, 400) / 2, {
    zoom,
    duration: duration(),
  });
}

/** The middle of what is visible, in graph coordinates: where a new workspace goes. */
export function visibleCentre(): { x: number; y: number } {
  if (!flow) return { x: 100, y: 100 };
  return flow.screenToFlowPosition({ x: (window.innerWidth - panelTaken()) / 2, y: window.innerHeight / 2 });
}
