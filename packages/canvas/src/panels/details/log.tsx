// What the agent's process wrote, and in full what it reported last when something is wrong.

import { ApiError } from '@molecule/contract';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { api } from '../../app/api.ts';
import type { WorkspaceNode } from '../../live/index.ts';
import { Button, CodeBlock, Skeleton } from '../../ui/index.ts';
import { Section } from './section.tsx';

const LINES = 200;
const FOLLOW_MS = 3_000;

/** Why there is no log, in words. */
function explain(error: Error): string {
  if (!(error instanceof ApiError)) return error.message;
  if (error.code === 'no_backend') return 'This platform starts no agents itself, so it has no log of this one.';
  return error.status === 404 ? 'Nothing written yet.' : error.message;
}

export interface LogProps {
  node: WorkspaceNode;
  /** Shown from the start. */
  open: boolean;
  /** Brought into view, for whoever came for it. */
  scrollTo: boolean;
}

export function Log({ node, open: first, scrollTo }: LogProps) {
  const [open, setOpen] = useState(first);
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    if (scrollTo) place.current?.scrollIntoView({ block: 'start' });
  }, [scrollTo]);
  const log = useQuery({
    queryKey: ['logs', node.id],
    enabled: open,
    retry: false,
    refetchInterval: open ? FOLLOW_MS : false,
    queryFn: () => api.getWorkspaceLogs({ params: { id: node.id }, query: { lines: LINES } }),
  });
  if (node.runtime === 'external') return null;
  const text = log.data?.lines.join('\n') ?? '';
  return (
    <Section
      ref={place}
      title="Log"
      action={
        <Button size="sm" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? 'Hide' : 'Show'}
        </Button>
      }
    >
      {open && log.isPending && <Skeleton width="80%" />}
      {open && log.isError && <p className="hint">{explain(log.error)}</p>}
      {open && log.data && (
        <CodeBlock label="Log" text={text} className="log-code">
          {text || 'Nothing written yet.'}
        </CodeBlock>
      )}
    </Section>
  );
}
