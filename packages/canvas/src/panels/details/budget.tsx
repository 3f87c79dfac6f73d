// The monthly limit: an empty field is no limit, zero blocks every call, and a reached limit says that calls are refused.

import { ApiError } from '@molecule/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from '../../app/api.ts';
import { applyFields, useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, formatCents, readAmount, Skeleton, TextField } from '../../ui/index.ts';
import { Section } from './section.tsx';

const HIGH_SHARE = 0.8;

const showAmount = (cents: number | null) => (cents === null ? '' : (cents / 100).toFixed(2));

function Meter({ share }: { share: number }) {
  const level = share >= 1 ? 'over' : share >= HIGH_SHARE ? 'high' : 'fine';
  return (
    <div className="meter" data-level={level} role="img" aria-label={`${Math.round(share * 100)} % used`}>
      <i style={{ width: `${share * 100}%` }} />
    </div>
  );
}

function LimitForm({ node, limit }: { node: WorkspaceNode; limit: number | null }) {
  const { canWrite } = useConnection();
  const client = useQueryClient();
  const [text, setText] = useState(showAmount(limit));
  useEffect(() => setText(showAmount(limit)), [limit]);
  const cents = readAmount(text);
  const save = useMutation({
    mutationFn: (budget_limit: number | null) => api.patchBudget({ params: { id: node.id }, body: { budget_limit } }),
    onSuccess: (budget) => {
      applyFields(node.id, { budget_limit: budget.budget_limit, monthly_spend: budget.monthly_spend });
      client.setQueryData(['budget', node.id], budget);
    },
  });
  const isReadOnly = save.error instanceof ApiError && save.error.status === 403;
  const refused = isReadOnly ? 'Only an administrator may change the limit.' : (save.error?.message ?? null);
  return (
    <>
      <div className="row det-acts">
        <TextField
          bare
          label="Monthly limit in dollars"
          inputMode="decimal"
          placeholder="No limit"
          before={<span className="muted">$</span>}
          value={text}
          readOnly={isReadOnly}
          error={cents === undefined ? 'An amount, or nothing for no limit' : refused}
          onChange={(event) => setText(event.target.value)}
        />
        <Button
          look="line"
          size="lg"
          busy={save.isPending}
          disabled={cents === undefined || cents === limit || !canWrite || isReadOnly}
          title={canWrite ? undefined : 'The platform is out of reach'}
          onClick={() => cents !== undefined && save.mutate(cents)}
        >
          Set limit
        </Button>
      </div>
      <p className="hint">Empty means no limit. 0 blocks every call.</p>
    </>
  );
}

export function Budget({ node }: { node: WorkspaceNode }) {
  const budget = useQuery({ queryKey: ['budget', node.id], queryFn: () => api.getBudget({ params: { id: node.id } }) });
  if (!budget.data)
    return (
      <Section
        title="Budget"
        action={
          budget.isError && (
            <Button size="sm" onClick={() => void budget.refetch()}>
              Retry
            </Button>
          )
        }
      >
        {budget.isError ? <div className="note bad">{budget.error.message}</div> : <Skeleton width="60%" />}
      </Section>
    );
  const { budget_limit: limit, monthly_spend: spend } = budget.data;
  const share = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, spend / limit);
  return (
    <Section title="Budget">
      <p className="soft num">
        {formatCents(spend)} spent this month{limit === null ? ', no limit' : ` of ${formatCents(limit)}`}.
      </p>
      {limit !== null && <Meter share={share} />}
      {share >= 1 && <div className="note bad">The limit is reached: calls are refused until it is raised.</div>}
      <LimitForm node={node} limit={limit} />
    </Section>
  );
}
