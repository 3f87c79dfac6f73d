// Global secrets of the platform: read by name, written, never read back. Shared by settings, import and "Connect a model".

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api } from '../app/api.ts';
import { findMissingKey } from '../canvas/card-facts.ts';
import type { WorkspaceNode } from '../live/index.ts';

const KEY = ['global-secrets'];

export function useSecrets() {
  return useQuery({ queryKey: KEY, queryFn: () => api.listGlobalSecrets() });
}

function useRefresh() {
  const client = useQueryClient();
  return () =>
    Promise.all([
      client.invalidateQueries({ queryKey: KEY }),
      client.invalidateQueries({ queryKey: ['info'] }),
      client.invalidateQueries({ queryKey: ['org-templates'] }),
    ]);
}

export function useSaveSecret() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (secret: { key: string; value: string }) => api.putGlobalSecret({ body: secret }),
    onSuccess: refresh,
  });
}

export function useDeleteSecret() {
  const refresh = useRefresh();
  return useMutation({ mutationFn: (key: string) => api.deleteGlobalSecret({ params: { key } }), onSuccess: refresh });
}

export interface Provider {
  key: string;
  label: string;
  /** Placeholder, and the start a value of it has. */
  hint: string;
  startsWith?: string;
}

export const PROVIDERS: readonly Provider[] = [
  { key: 'ANTHROPIC_API_KEY', label: 'Anthropic', hint: 'Begins with sk-ant-', startsWith: 'sk-ant-' },
  { key: 'OPENAI_API_KEY', label: 'OpenAI', hint: 'Begins with sk-', startsWith: 'sk-' },
  { key: 'OPENROUTER_API_KEY', label: 'OpenRouter', hint: 'Begins with sk-or-', startsWith: 'sk-or-' },
  { key: 'OLLAMA_BASE_URL', label: 'Ollama, on your machine', hint: 'http://127.0.0.1:11434/v1', startsWith: 'http' },
  {
    key: 'OPENAI_BASE_URL',
    label: 'Any OpenAI-compatible address',
    hint: 'https://models.example/v1',
    startsWith: 'http',
  },
];

/** What looks wrong about a value; it may be saved all the same. */
export function doubtAbout(key: string, value: string): string | null {
  const provider = PROVIDERS.find((one) => one.key === key);
  const typed = value.trim();
  if (!provider?.startsWith || typed === '' || typed.startsWith(provider.startsWith)) return null;
  return `${provider.label} values start with ${provider.startsWith}. This one does not. You can still save it.`;
}

const RESTARTED = new Set(['online', 'degraded', 'offline', 'failed', 'provisioning']);

/** Who starts again when a global secret changes, and who failed for want of it. */
export function listAffected(
  nodes: readonly WorkspaceNode[],
  key: string,
): { restarts: WorkspaceNode[]; waiting: WorkspaceNode[] } {
  const restarts = nodes.filter((node) => node.runtime !== 'external' && RESTARTED.has(node.status));
  return { restarts, waiting: restarts.filter((node) => findMissingKey(node.last_sample_error) === key) };
}

const MOST_NAMED = 3;

/** `Copywriter, QA Engineer and 4 more` */
export function nameThem(nodes: readonly Pick<WorkspaceNode, 'name'>[]): string {
  const names = nodes.slice(0, MOST_NAMED).map((node) => node.name);
  const more = nodes.length - names.length;
  if (more > 0) return `${names.join(', ')} and ${more} more`;
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : (names[0] ?? '');
}
