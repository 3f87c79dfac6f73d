// The tokens of one workspace: listed without their values, made and shown once, revoked. In Details and in Settings.

import { ApiError } from '@molecule/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { api } from '../app/api.ts';
import { useConnection, type WorkspaceNode } from '../live/index.ts';
import { Button, Icon, Skeleton } from '../ui/index.ts';
import { FreshToken } from './fresh-token.tsx';
import { TokenRows } from './token-rows.tsx';

const MOST_LISTED = 200;

function explain(error: Error): string {
  return error instanceof ApiError && error.code === 'too_many_tokens'
    ? 'It holds as many tokens as it may. Revoke one first.'
    : error.message;
}

export function WorkspaceTokens({ node }: { node: Pick<WorkspaceNode, 'id' | 'name'> }) {
  const { canWrite } = useConnection();
  const client = useQueryClient();
  const params = { id: node.id };
  const key = ['tokens', node.id];
  const tokens = useQuery({
    queryKey: key,
    queryFn: () => api.listTokens({ params, query: { limit: MOST_LISTED } }),
  });
  const refresh = () => client.invalidateQueries({ queryKey: key });
  const make = useMutation({ mutationFn: () => api.createToken({ params }), onSuccess: refresh });
  return (
    <div className="token-list">
      {make.data && (
        <>
          <FreshToken token={make.data.auth_token} />
          <p className="hint">Shown once. Whoever holds it acts as {node.name}.</p>
        </>
      )}
      {tokens.isPending && <Skeleton width="70%" />}
      {tokens.isError && (
        <div className="note warn" role="alert">
          <span className="grow">The tokens could not be read: {tokens.error.message}</span>
          <Button size="sm" onClick={() => void tokens.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {tokens.data?.count === 0 && !make.data && <p className="hint">It has no token.</p>}
      <TokenRows
        label={`Tokens of ${node.name}`}
        tokens={tokens.data?.tokens ?? []}
        consequence={`Whoever uses it stops being ${node.name} at once.`}
        revoke={(tokenId) => api.revokeToken({ params: { ...params, tokenId } }).then(refresh)}
      />
      {make.error && (
        <p className="field-error" role="alert">
          {explain(make.error)}
        </p>
      )}
      <div className="row">
        <Button
          look="line"
          size="sm"
          busy={make.isPending}
          disabled={!canWrite}
          title={canWrite ? undefined : 'The platform is out of reach'}
          onClick={() => make.mutate()}
        >
          <Icon of={Plus} small /> Make a token
        </Button>
      </div>
    </div>
  );
}
