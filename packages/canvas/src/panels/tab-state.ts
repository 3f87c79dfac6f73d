// What a tab was set to, per workspace, for as long as the page lives: filters survive a look at another tab or agent.

import { create } from 'zustand';

const useStore = create<Record<string, unknown>>(() => ({}));

/** Like `useState`, kept under a name; names are `<workspace>.<tab>.<what>`. */
export function useTabState<T>(name: string, initial: T): [T, (value: T) => void] {
  const value = useStore((state) => (name in state ? (state[name] as T) : initial));
  return [value, (next) => useStore.setState({ [name]: next })];
}
