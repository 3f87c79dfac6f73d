// API keys of the organisation: minted with a name, shown once, revoked. Only an administrator may; a refusal says so.

import { ApiError } from '@molecule/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../app/api.ts';
import { useConnection } from '../../live/index.ts';
import { FreshToken } from '../../tokens/fresh-token.tsx';
import { TokenRows } from '../../tokens/token-rows.tsx';
import { Button, refusedField, Skeleton, TextField } from '../../ui/index.ts';
import { ReadFailure, SectionHead } from './section-parts.tsx';

const KEY = ['org-tokens'];

export const useOrgTokens = () => useQuery({ queryKey: KEY, queryFn: () => api.listOrgTokens() });

function explain(error: Error): string {
  const isRefused = error instanceof ApiError && (error.status === 401 || error.status === 403);
  return isRefused ? 'Only an administrator may make or see these keys.' : error.message;
}

export function OrgTokensSection() {
  const { canWrite } = useConnection();
  const client = useQueryClient();
  const tokens = useOrgTokens();
  const [name, setName] = useState('');
  const refresh = () => client.invalidateQueries({ queryKey: KEY });
  const mint = useMutation({
    mutationFn: (wanted: string) => api.createOrgToken({ body: wanted ? { name: wanted } : {} }),
    onSuccess: () => {
      setName('');
      return refresh();
    },
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    if (canWrite && !mint.isPending) mint.mutate(name.trim());
  }

  return (
    <section aria-label="Org API keys">
      <SectionHead
        title="Org API keys"
        lead="For programs that run the whole organisation: each can do what you can do here. Values are shown once."
      />
      <form className="row mint" onSubmit={submit}>
        <TextField
          label="Name"
          placeholder="What uses it, for example deploys"
          maxLength={100}
          autoComplete="off"
          value={name}
          error={mint.error ? (refusedField(mint.error) === 'name' ? mint.error.message : explain(mint.error)) : null}
          onChange={(event) => setName(event.target.value)}
        />
        <Button
          size="lg"
          look={mint.data ? 'line' : 'primary'}
          type="submit"
          busy={mint.isPending}
          disabled={!canWrite}
          title={canWrite ? undefined : 'The platform is out of reach'}
        >
          Make a key
        </Button>
      </form>
      {mint.data && (
        <div className="minted">
          <FreshToken token={mint.data.auth_token} />
          <p className="hint">Shown once. {mint.data.name ? `${mint.data.name} is its name below.` : ''}</p>
        </div>
      )}
      {tokens.isPending && <Skeleton width="60%" />}
      {tokens.isError && (
        <ReadFailure what="The keys" error={new Error(explain(tokens.error))} onRetry={() => void tokens.refetch()} />
      )}
      {tokens.data?.count === 0 && <p className="hint">There is no key yet.</p>}
      <TokenRows
        label="Org API keys"
        tokens={tokens.data?.tokens ?? []}
        consequence="Whatever uses it is refused from now on."
        revoke={(tokenId) => api.revokeOrgToken({ params: { tokenId } }).then(refresh)}
      />
    </section>
  );
}
