// What the machine of a workspace printed while booting. Only machines have one: elsewhere this part is not there at all.

import { ApiError } from '@molecule/contract';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../app/api.ts';
import { useInfo } from '../../app/use-info.ts';
import type { WorkspaceNode } from '../../live/index.ts';
import { Button, CodeBlock, Skeleton, saveAs } from '../../ui/index.ts';
import { Section } from './section.tsx';

/** Backends that start machines. */
const WITH_MACHINES = new Set(['control-plane']);
const FOLLOW_MS = 5_000;
const MOST_SHOWN = 1_048_576;

const isStatus = (error: Error | null, status: number) => error instanceof ApiError && error.status === status;

function download(node: WorkspaceNode, text: string): void {
  const name = node.name.replace(/[^\p{L}\p{N}]+/gu, '-').toLowerCase();
  saveAs(`${name}-console.txt`, new Blob([text], { type: 'text/plain' }));
}

export function Console({ node, open: first }: { node: WorkspaceNode; open: boolean }) {
  const info = useInfo();
  const [open, setOpen] = useState(first);
  const hasMachine = node.runtime !== 'external' && WITH_MACHINES.has(info.data?.backend ?? '');
  const output = useQuery({
    queryKey: ['console', node.id],
    enabled: open && hasMachine,
    retry: false,
    // A machine that is not there yet may come; any other refusal waits for Retry.
    refetchInterval: ({ state }) => (state.error && !isStatus(state.error, 404) ? false : FOLLOW_MS),
    queryFn: () => api.getConsole({ params: { id: node.id } }),
  });
  if (!hasMachine || isStatus(output.error, 501)) return null;
  const text = (output.data?.output ?? '').slice(-MOST_SHOWN);
  const isBlank = isStatus(output.error, 404) || (output.data && text === '');
  return (
    <Section
      title="Console"
      action={
        <>
          {open && text && (
            <Button size="sm" onClick={() => download(node, text)}>
              Download
            </Button>
          )}
          <Button size="sm" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? 'Hide' : 'Show'}
          </Button>
        </>
      }
    >
      {open && output.isPending && <Skeleton width="80%" />}
      {open && isBlank && <p className="hint">No output yet.</p>}
      {open && output.isError && !isBlank && (
        <div className="note warn" role="alert">
          <span className="grow">{output.error.message}</span>
          <Button size="sm" onClick={() => void output.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {open && text && (
        <CodeBlock label="Console" text={text} className="log-code">
          {text}
        </CodeBlock>
      )}
    </Section>
  );
}
