// Global secrets: what is saved, by group; one form to add or replace. A saved value is never in the page again.

import { Plus, RefreshCw, Search, Trash2 } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useConnection, useWorkspaces } from '../../live/index.ts';
import { Button, ConfirmDialog, Icon, IconButton, RelativeTime, Skeleton } from '../../ui/index.ts';
import { listAffected, nameThem, useDeleteSecret, useSecrets } from '../use-secrets.ts';
import { SecretForm } from './secret-form.tsx';

const GROUPS: readonly [label: string, pattern: RegExp][] = [
  ['GitHub', /^(GITHUB|GH)_/],
  ['Anthropic', /^ANTHROPIC_/],
  ['OpenRouter', /^OPENROUTER_/],
  ['Other', /./],
];
const FILTER_FROM = 4;

const groupOf = (key: string) => GROUPS.find(([, pattern]) => pattern.test(key))?.[0] ?? 'Other';

interface Editing {
  key: string;
  /** A secret of this name is saved already. */
  replaces: boolean;
}

function DeleteSecret({ name, onClose }: { name: string; onClose(): void }) {
  const workspaces = useWorkspaces();
  const remove = useDeleteSecret();
  const { restarts } = listAffected(workspaces, name);
  return (
    <ConfirmDialog
      danger
      title={`Delete ${name}?`}
      lead={
        restarts.length > 0
          ? `${nameThem(restarts)} restart without it, unless they have a value of their own.`
          : 'No agent runs that would miss it now.'
      }
      action="Delete"
      onConfirm={() => remove.mutateAsync(name)}
      onClose={onClose}
    />
  );
}

export function SecretsSection({ onDirty }: { onDirty(dirty: boolean): void }) {
  const secrets = useSecrets();
  const { canWrite } = useConnection();
  const [editing, setEditing] = useState<Editing | null>(null);
  const [doomed, setDoomed] = useState<string | null>(null);
  const [needle, setNeedle] = useState('');
  useEffect(() => () => onDirty(false), [onDirty]);
  const all = secrets.data ?? [];
  const shown = all.filter((secret) => secret.key.includes(needle.trim().toUpperCase()));
  const why = canWrite ? undefined : 'The platform is out of reach';

  return (
    <section aria-label="Secrets">
      <div className="row sec-h">
        <div className="grow">
          <h2>Secrets</h2>
          <p className="soft sec-lead">
            Given to every workspace as environment variables. A workspace can override one for itself. Values are never
            shown again.
          </p>
        </div>
        <Button
          look="line"
          disabled={editing !== null || !canWrite}
          title={why}
          onClick={() => setEditing({ key: '', replaces: false })}
        >
          <Icon of={Plus} />
          Add secret
        </Button>
      </div>
      {editing && (
        <SecretForm
          key={editing.key}
          name={editing.key}
          replaces={editing.replaces}
          onDirty={onDirty}
          onClose={() => {
            onDirty(false);
            setEditing(null);
          }}
        />
      )}
      {secrets.isPending && <Skeleton width="60%" />}
      {secrets.isError && (
        <div className="note warn" role="alert">
          <span className="grow">The secrets could not be read: {secrets.error.message}</span>
          <Button size="sm" onClick={() => void secrets.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {all.length >= FILTER_FROM && (
        <div className="field secret-filter">
          <Icon of={Search} small />
          <input
            type="search"
            aria-label="Filter the secrets"
            placeholder={`Filter ${all.length} secrets`}
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
          />
        </div>
      )}
      {secrets.data?.length === 0 && !editing && (
        <div className="tab-empty secret-empty">
          <p>No secret is saved. Scripted agents need none; a model needs its key.</p>
          <Button
            look="line"
            size="sm"
            disabled={!canWrite}
            title={why}
            onClick={() => setEditing({ key: 'ANTHROPIC_API_KEY', replaces: false })}
          >
            Add a model key
          </Button>
        </div>
      )}
      {GROUPS.map(([label]) => {
        const group = shown.filter((secret) => groupOf(secret.key) === label);
        if (group.length === 0) return null;
        return (
          <div key={label}>
            <h3 className="grp">{label}</h3>
            <ul className="list">
              {group.map((secret) => (
                <li key={secret.key} className="secret">
                  <span className="mono clip">{secret.key}</span>
                  <span className="muted num">
                    <RelativeTime at={secret.updated_at} />
                  </span>
                  <span className="row">
                    <IconButton
                      label={`Replace ${secret.key}`}
                      disabled={!canWrite}
                      onClick={() => setEditing({ key: secret.key, replaces: true })}
                    >
                      <Icon of={RefreshCw} />
                    </IconButton>
                    <IconButton
                      label={`Delete ${secret.key}`}
                      disabled={!canWrite}
                      onClick={() => setDoomed(secret.key)}
                    >
                      <Icon of={Trash2} />
                    </IconButton>
                  </span>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
      {doomed && <DeleteSecret name={doomed} onClose={() => setDoomed(null)} />}
    </section>
  );
}
