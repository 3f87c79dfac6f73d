// "Every later turn fails until I am restarted" (chapter 40 §6.3). The first reason counts until it is cleared.

const MOST_CHARACTERS = 80;

export interface Wedge {
  mark(reason: string): void;
  clear(): void;
  reason(): string | null;
}

export function createWedge(): Wedge {
  let current: string | null = null;
  return {
    mark(reason) {
      current ??= reason.slice(0, MOST_CHARACTERS);
    },
    clear() {
      current = null;
    },
    reason: () => current,
  };
}
