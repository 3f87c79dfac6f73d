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

export type Theme = 'dark' | 'light' | 'system';
export interface Preferences {
  theme: Theme;
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
  showCalls: readStored('molecule:show-a2a-edges') !== 'false',
  legendOpen: readStored('molecule.legend.open') === 'true',
  minimapOpen: readStored('molecule.minimap.open') !== 'false',
  view: view === 'list' || view === 'graph' ? view : null,
}));

const KEYS: Record<keyof Preferences, string> = {
  theme: 'molecule.theme',
  showCalls: 'molecule:show-a2a-edges',
  legendOpen: 'molecule.legend.open',
  minimapOpen: 'molecule.minimap.open',
  view: 'molecule.view',
};

export function setPreference<K extends keyof Preferences>(key: K, value: Preferences[K]): void {
  usePreferences.setState({ [key]: value } as Pick<Preferences, K>);
  writeStored(KEYS[key], String(value));
  if (key === 'theme') document.documentElement.dataset.theme = String(value);
}
