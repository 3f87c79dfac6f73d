// What the workspace used today: calls, tokens, estimated cost. The day is the UTC day, which is said.

import { useQuery } from '@tanstack/react-query';
import { api } from '../../app/api.ts';
import type { WorkspaceNode } from '../../live/index.ts';
import { Button, formatCompact, formatDollars, Skeleton } from '../../ui/index.ts';
import { Section } from './section.tsx';

const REFRESH_MS = 30_000;

export function Usage({ node }: { node: WorkspaceNode }) {
  const usage = useQuery({
    queryKey: ['usage', node.id],
    refetchInterval: REFRESH_MS,
    queryFn: () => api.getTokenUsage({ params: { id: node.id } }),
  });
  const data = usage.data;
  return (
    <Section title="Usage today">
      {!data && usage.isPending && <Skeleton width="60%" />}
      {usage.isError && (
        <div className="note warn" role="alert">
          <span className="grow">
            {data ? 'Could not be refreshed' : 'Could not be read'}: {usage.error.message}
          </span>
          <Button size="sm" onClick={() => void usage.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {data && (
        <>
          <dl className="tiles num">
            <div>
              <dt>Calls</dt>
              <dd>{formatCompact(data.total_calls)}</dd>
            </div>
            <div>
              <dt>Tokens in</dt>
              <dd>{formatCompact(data.input_tokens)}</dd>
            </div>
            <div>
              <dt>Tokens out</dt>
              <dd>{formatCompact(data.output_tokens)}</dd>
            </div>
            <div>
              <dt>Estimated cost</dt>
              <dd>{formatDollars(Number(data.estimated_cost_usd))}</dd>
            </div>
          </dl>
          <p className="hint">Since midnight UTC, as the agent reports it.</p>
        </>
      )}
    </Section>
  );
}
