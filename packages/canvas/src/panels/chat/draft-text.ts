// The words of messages that are being written, one draft per workspace: they outlive the composer and a reload of the page.

import { create } from 'zustand';

const storageKey = (id: string) => `molecule.draft.${id}`;

const useTexts = create<Record<string, string>>(() => ({}));

function readStored(id: string): string {
  try {
    return sessionStorage.getItem(storageKey(id)) ?? '';
  } catch {
    // A refused storage: the draft then lives as long as the page.
    return '';
  }
}

export const readDraftText = (id: string): string => useTexts.getState()[id] ?? readStored(id);

export const useDraftText = (id: string): string => useTexts((state) => state[id] ?? readStored(id));

export function setDraftText(id: string, text: string): void {
  useTexts.setState({ [id]: text });
  try {
    if (text) sessionStorage.setItem(storageKey(id), text);
    else sessionStorage.removeItem(storageKey(id));
  } catch {
    // As above.
  }
}
