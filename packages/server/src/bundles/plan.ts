// What must hold of a bundle before its import writes anything (chapter 30 §4, ruling R8): the shape of every level, the size of
// the tree, and that every runtime is known.

import { type Bundle, bundle, MOST_BUNDLE_LEVELS, MOST_BUNDLE_NODES } from '@molecule/contract';
import { invalid } from '../platform/errors.ts';
import { parseConfig } from '../provisioning/index.ts';
import { assertKnownRuntime, RUNTIME_CHOICE } from '../workspaces/index.ts';

const DEFAULT_RUNTIME = 'langgraph';

export interface PlannedNode {
  bundle: Omit<Bundle, 'sub_workspaces'>;
  runtime: string;
  /** The one its configuration names. */
  configModel: string | null;
  children: PlannedNode[];
}

function readConfig(node: Bundle, field: string): { runtime?: string; model?: string } {
  const text = node.prompts['config.yaml'];
  if (text === undefined) return {};
  try {
    return parseConfig(text);
  } catch {
    throw invalid(`${field}prompts.config.yaml`, 'must be a YAML mapping: it names the runtime');
  }
}

function parseNode(value: unknown, field: string): Bundle {
  const parsed = bundle.safeParse(value);
  if (parsed.success) return parsed.data as Bundle;
  const [issue] = parsed.error.issues;
  throw invalid(field + (issue?.path.join('.') ?? ''), issue?.message ?? 'is not valid');
}

/**
 * @param chosen the runtime behind `default`.
 * @throws invalid_request naming the field, unknown_runtime
 */
export function planImport(document: unknown, chosen: string): PlannedNode {
  let nodes = 0;

  function plan(value: unknown, field: string, level: number): PlannedNode {
    nodes += 1;
    if (level > MOST_BUNDLE_LEVELS || nodes > MOST_BUNDLE_NODES)
      throw invalid(
        'sub_workspaces',
        `must be at most ${MOST_BUNDLE_NODES} workspaces on ${MOST_BUNDLE_LEVELS} levels`,
      );
    const node = parseNode(value, field);
    const { runtime: named, model } = readConfig(node, field);
    const runtime = named === RUNTIME_CHOICE ? chosen : named || DEFAULT_RUNTIME;
    assertKnownRuntime(runtime);
    const { sub_workspaces: below, ...own } = node;
    const children = below.map((child, index) => plan(child, `${field}sub_workspaces.${index}.`, level + 1));
    return { bundle: own, runtime, configModel: model ?? null, children };
  }

  return plan(document, '', 1);
}
