// What a process that a test starts has of the test's own environment: the way to Node, and code that is compiled already, which
// spares each of them a third of a second of processor time. Nothing else leaks in.

export function childEnvironment(own: Record<string, string> = {}): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}), ...own };
}
