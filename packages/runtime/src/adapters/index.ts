// Which adapter drives this agent (chapter 40 §10): `ADAPTER_MODULE` wins, else the built-in one of the configured runtime.
// Importing an adapter is cheap: what it needs of its framework is imported in `setup()`.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Adapter, PreflightIssue } from './adapter.ts';

const BUILT_IN: Readonly<Record<string, () => Promise<Adapter>>> = {
  echo: async () => (await import('./echo/index.ts')).createEchoAdapter(),
  'ai-sdk': async () => (await import('./ai-sdk/index.ts')).createAiSdkAdapter(),
};

export const listAdapters = (): string[] => Object.keys(BUILT_IN);

export type AdapterChoice = { adapter: Adapter; issues: [] } | { adapter: null; issues: [PreflightIssue] };

const refuse = (title: string, detail: string, fix: string): AdapterChoice => ({
  adapter: null,
  issues: [{ severity: 'fail', title, detail, fix }],
});

const isAdapter = (value: unknown): value is Adapter =>
  typeof value === 'object' &&
  value !== null &&
  (['name', 'setup', 'createExecutor', 'capabilities', 'idleTimeoutOverride'] as const).every(
    (member) => typeof (value as Partial<Record<keyof Adapter, unknown>>)[member] === 'function',
  );

/** An adapter, a class of one, or a function that makes one. */
async function instantiate(exported: unknown): Promise<unknown> {
  if (typeof exported !== 'function') return exported;
  const isClass = typeof (exported.prototype as Partial<Adapter> | undefined)?.setup === 'function';
  return isClass ? new (exported as new () => Adapter)() : await (exported as () => unknown)();
}

async function importAdapter(module: string): Promise<AdapterChoice> {
  const isPath = /^\.{0,2}\//.test(module);
  let adapter: unknown;
  try {
    const loaded = (await import(isPath ? pathToFileURL(resolve(module)).href : module)) as Record<string, unknown>;
    adapter = await instantiate(loaded.Adapter ?? loaded.default);
  } catch (error) {
    const reason = String((error as Error)?.message ?? error).split('\n')[0] ?? '';
    return refuse('Adapter cannot be imported', `${module}: ${reason}`, 'check ADAPTER_MODULE and install the package');
  }
  if (!isAdapter(adapter))
    return refuse(
      'Adapter has the wrong export',
      `${module} must export an adapter as Adapter or as default`,
      'export an object, a class or a function as chapter 40 §10 describes',
    );
  if (adapter.name().trim() === '')
    return refuse('Adapter has no name', `name() of ${module} is empty`, 'return the runtime id from name()');
  return { adapter, issues: [] };
}

/** Never rejects for a wrong choice: that is a finding of the preflight. */
export async function chooseAdapter(runtime: string, adapterModule: string | null): Promise<AdapterChoice> {
  if (adapterModule !== null) return await importAdapter(adapterModule);
  const create = Object.hasOwn(BUILT_IN, runtime) ? BUILT_IN[runtime] : undefined;
  if (!create)
    return refuse(
      'Adapter not found',
      `no adapter is called ${JSON.stringify(runtime)}`,
      `choose one of ${listAdapters().join(', ')}, or set ADAPTER_MODULE`,
    );
  return { adapter: await create(), issues: [] };
}
