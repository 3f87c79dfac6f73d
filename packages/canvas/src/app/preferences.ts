// What this browser remembers: theme, toggles, camera. A refused storage is the same as an empty one.

import { create } from 'zustand';

export function readStored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function writeStored(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}

export interface Preferences {
  theme: 'dark' | 'light' | 'system';
  density: 'normal' | 'compact';
  motion: 'system' | 'reduce';
  showCalls: boolean;
  legendOpen: boolean;
  minimapOpen: boolean;
  /** Null until chosen: a phone then starts with the list, a desk with the graph. */
  view: 'graph' | 'list' | null;
}

const theme = readStored('molecule.theme');
const view = readStored('molecule.view');

export const usePreferences = create<Preferences>(() => ({
  theme: theme === 'light' || theme === 'system' ? theme : 'dark',
  density: readStored('molecule.density') === 'compact' ? 'compact' : 'normal',
  motion: readStored('molecule.motion') === 'reduce' ? 'reduce' : 'system',
  showCalls: readStored('molecule:show-a2a-edges') !== 'false',
  legendOpen: readStored('molecule.legend.open') === 'true',
  minimapOpen: readStored('molecule.minimap.open') !== 'false',
  view: view === 'list' || view === 'graph' ? view : null,
}));

const KEYS: Record<keyof Preferences, string> = {
  theme: 'molecule.theme',
  density: 'molecule.density',
  motion: 'molecule.motion',
  showCalls: 'molecule:show-a2a-edges',
  legendOpen: 'molecule.legend.open',
  minimapOpen: 'molecule.minimap.open',
  view: 'molecule.view',
};

export function setPreference<K extends keyof Preferences>(key: K, value: Preferences[K]): void {
  usePreferences.setState({ [key]: value } as Pick<Preferences, K>);
  writeStored(KEYS[key], String(value));
  // The same attributes that prelude.js sets before the first paint.
  if (key === 'theme' || key === 'density' || key === 'motion') document.documentElement.dataset[key] = String(value);
}
