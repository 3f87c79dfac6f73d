import { describe, expect, it } from 'vitest';
import { fitRect } from './camera.ts';

const ROOM = { left: 40, top: 80, width: 1000, height: 600 };
const place = (rect: { x: number; y: number; width: number; height: number }, options = {}) => {
  const { x, y, zoom } = fitRect(rect, ROOM, options);
  return {
    left: rect.x * zoom + x,
    top: rect.y * zoom + y,
    width: rect.width * zoom,
    height: rect.height * zoom,
    zoom,
  };
};

describe('fitRect', () => {
  it('shows everything, never larger than life', () => {
    const wide = place({ x: -500, y: 200, width: 4000, height: 300 });
    expect(wide).toMatchObject({ left: 40, width: 1000, zoom: 0.25 });
    expect(place({ x: 0, y: 0, width: 240, height: 130 }).zoom).toBe(1);
  });

  it('centres from left to right and stays near the top', () => {
    const card = place({ x: 700, y: 900, width: 240, height: 130 });
    expect(card.left).toBe(40 + (1000 - 240) / 2);
    expect(card.top).toBe(80 + 48);
    expect(place({ x: 0, y: 0, width: 100, height: 1200 }).top).toBe(80);
  });

  it('keeps to the smallest zoom it may use', () => {
    expect(place({ x: 0, y: 0, width: 40_000, height: 100 }, { minZoom: 0.25 }).zoom).toBe(0.25);
  });
});
