// Importing an organisation: choose, see what it needs, import, see what came of it. There is no way around a missing secret.

import { ApiError, type EnvRequirement } from '@molecule/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Check } from 'lucide-react';
import { useState } from 'react';
import { api } from '../app/api.ts';
import { select } from '../live/index.ts';
import { Button, Dialog, Icon, plural, Skeleton, StatusGlyph, TextField, toast } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';

const IMPORT_TIMEOUT_MS = 120_000;
const membersOf = (entry: EnvRequirement) => (typeof entry === 'string' ? [entry] : entry.any_of);

function Requirement({ entry, present }: { entry: EnvRequirement; present: Set<string> }) {
  const names = membersOf(entry);
  const found = names.find((name) => present.has(name));
  const [key, setKey] = useState(names[0] ?? '');
  const [value, setValue] = useState('');
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: () => api.putGlobalSecret({ body: { key, value } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['global-secrets'] }),
  });
  if (found) {
    return (
      <li className="row req">
        <Icon of={Check} small className="ok" /> <span className="mono grow">{found}</span>{' '}
        <span className="muted">Configured</span>
      </li>
    );
  }
  return (
    <li className="req">
      <TextField
        label={<span className="mono">{names.join(' or ')}</span>}
        type="password"
        autoComplete="off"
        value={value}
        error={save.error?.message ?? null}
        onChange={(event) => setValue(event.target.value)}
        before={
          names.length > 1 ? (
            <select
              aria-label="Which one"
              className="which mono"
              value={key}
              onChange={(event) => setKey(event.target.value)}
            >
              {names.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          ) : undefined
        }
        after={
          <Button size="sm" disabled={!value} busy={save.isPending} onClick={() => save.mutate()}>
            Save
          </Button>
        }
      />
    </li>
  );
}

export function ImportDialog({ dir: firstDir }: { dir?: string | undefined }) {
  const templates = useQuery({ queryKey: ['org-templates'], queryFn: () => api.listOrgTemplates() });
  const secrets = useQuery({ queryKey: ['global-secrets'], queryFn: () => api.listGlobalSecrets() });
  const [dir, setDir] = useState(firstDir ?? '');
  const template = templates.data?.find((one) => one.dir === (dir || templates.data[0]?.dir));
  const present = new Set(secrets.data?.map((secret) => secret.key));
  const unmet = (template?.required_env ?? []).filter((entry) => !membersOf(entry).some((name) => present.has(name)));
  const run = useMutation({
    mutationFn: () => api.importOrg({ body: { dir: template?.dir ?? '' }, timeoutMs: IMPORT_TIMEOUT_MS }),
    onSuccess: (result) => {
      const skipped = result.workspaces.filter((one) => one.skipped).length;
      if (result.error) return;
      toast.success(`${skipped} already existed, ${result.count - skipped} created`);
      closeDialog();
      const root = result.workspaces[0];
      if (root) select(root.id, 'chat');
    },
  });
  const partial = run.data?.error ? run.data : null;
  const timedOut = run.error instanceof ApiError && run.error.code === 'timeout';

  return (
    <Dialog
      title="Import an organisation"
      lead="What exists already is left alone; what is missing is created."
      width={560}
      testId="import-dialog"
      onClose={closeDialog}
      footer={
        <>
          {unmet.length > 0 && <span className="hint grow">{plural(unmet.length, 'secret')} missing</span>}
          <Button size="lg" look="line" onClick={closeDialog}>
            {partial ? 'Close' : 'Cancel'}
          </Button>
          <Button
            size="lg"
            look="primary"
            data-testid="confirm-ok"
            busy={run.isPending}
            disabled={!template || unmet.length > 0}
            title={unmet.length > 0 ? 'Required secrets are missing' : undefined}
            onClick={() => run.mutate()}
          >
            {partial ? 'Retry import' : template ? `Import ${plural(template.workspaces, 'workspace')}` : 'Import'}
          </Button>
        </>
      }
    >
      {templates.isPending && <Skeleton width="70%" />}
      {templates.data?.length === 0 && <p className="soft">No templates are installed.</p>}
      <div className="picker scroll" role="radiogroup" aria-label="Template">
        {templates.data?.map((one) => (
          <label key={one.dir} className="pick tall">
            <input type="radio" name="template" checked={one.dir === template?.dir} onChange={() => setDir(one.dir)} />
            <span className="grow">
              <b>{one.name}</b> <span className="muted">{plural(one.workspaces, 'workspace')}</span>
              <span className="hint">{one.description}</span>
            </span>
          </label>
        ))}
      </div>
      {template && template.required_env.length > 0 && (
        <section>
          <p className="h-label">Required</p>
          <ul className="reqs">
            {template.required_env.map((entry) => (
              <Requirement key={membersOf(entry).join('|')} entry={entry} present={present} />
            ))}
          </ul>
        </section>
      )}
      {template && template.recommended_env.length > 0 && (
        <section>
          <p className="h-label">Recommended, may be skipped</p>
          <ul className="reqs">
            {template.recommended_env.map((entry) => (
              <Requirement key={membersOf(entry).join('|')} entry={entry} present={present} />
            ))}
          </ul>
        </section>
      )}
      {partial && (
        <div className="note warn" role="alert">
          <StatusGlyph status="degraded" />
          <span className="grow">
            {plural(partial.count, 'workspace')} done, then: {partial.error}
          </span>
        </div>
      )}
      {run.error && (
        <div className={`note ${timedOut ? 'info' : 'bad'}`}>
          {timedOut ? 'Still importing. New workspaces will appear.' : run.error.message}
        </div>
      )}
    </Dialog>
  );
}
