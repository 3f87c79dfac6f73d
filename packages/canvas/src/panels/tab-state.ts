// What a tab was set to, per workspace, for as long as the page lives: filters survive a look at another tab or agent.

import { create } from 'zustand';

const useStore = create<Record<string, unknown>>(() => ({}));

/** For whoever leads to a tab; names are `<workspace>.<tab>.<what>`. */
export function setTabState(name: string, value: unknown): void {
  useStore.setState({ [name]: value });
}

/** Like `useState`, kept under a name. */
export function useTabState<T>(name: string, initial: T): [T, (value: T) => void] {
  const value = useStore((state) => (name in state ? (state[name] as T) : initial));
  return [value, (next) => setTabState(name, next)];
}
