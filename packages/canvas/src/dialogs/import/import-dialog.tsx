// Importing an organisation: choose, see what it needs, import, see what came of it. There is no way around a missing secret.

import { ApiError } from '@molecule/contract';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../app/api.ts';
import { select, useConnection } from '../../live/index.ts';
import { Button, Dialog, plural, Skeleton } from '../../ui/index.ts';
import { closeDialog } from '../dialog-store.ts';
import { useSecrets } from '../use-secrets.ts';
import { ImportResult } from './import-result.tsx';
import { isMet, Requirements } from './preflight.tsx';

const TIMEOUT_MS = 120_000;

export function ImportDialog({ dir: firstDir }: { dir?: string | undefined }) {
  const templates = useQuery({ queryKey: ['org-templates'], queryFn: () => api.listOrgTemplates() });
  const secrets = useSecrets();
  const { canWrite } = useConnection();
  const [dir, setDir] = useState(firstDir);
  const template = templates.data?.find((one) => one.dir === (dir ?? templates.data[0]?.dir));
  const present = new Set(secrets.data?.map((secret) => secret.key));
  const unmet = (template?.required_env ?? []).filter((entry) => !isMet(entry, present));
  const run = useMutation({
    mutationFn: (wanted: string) => api.importOrg({ body: { dir: wanted }, timeoutMs: TIMEOUT_MS }),
    // The platform knows better what is missing: its list is read again.
    onError: () => void secrets.refetch(),
  });
  const root = run.data?.workspaces[0];
  const isDone = run.data !== undefined && !run.data.error;
  const isSlow = run.error instanceof ApiError && run.error.code === 'timeout';
  const canImport = template !== undefined && unmet.length === 0 && canWrite;
  const start = () => template && run.mutate(template.dir);

  const action = isDone ? (
    <Button
      size="lg"
      look="primary"
      data-testid="confirm-ok"
      onClick={() => {
        closeDialog();
        if (root) select(root.id, 'chat');
      }}
    >
      {root ? `Open ${root.name}` : 'Done'}
    </Button>
  ) : (
    <Button
      size="lg"
      look="primary"
      data-testid="confirm-ok"
      busy={run.isPending}
      disabled={!canImport}
      title={unmet.length > 0 ? 'Required secrets are missing' : undefined}
      onClick={start}
    >
      {run.data?.error ? 'Retry import' : template ? `Import ${plural(template.workspaces, 'workspace')}` : 'Import'}
    </Button>
  );

  return (
    <Dialog
      title={isDone ? `${run.data.org} is here` : 'Import an organisation'}
      lead={isDone ? 'Its agents start now.' : 'What exists already is left alone; what is missing is created.'}
      width={560}
      testId="import-dialog"
      onClose={closeDialog}
      footer={
        <>
          {!isDone && unmet.length > 0 && <span className="hint grow">{plural(unmet.length, 'secret')} missing</span>}
          {!canWrite && <span className="hint grow">The platform is out of reach.</span>}
          <Button size="lg" look="line" onClick={closeDialog}>
            {run.data ? 'Close' : 'Cancel'}
          </Button>
          {action}
        </>
      }
    >
      {run.data && <ImportResult report={run.data} />}
      {!run.data && (
        <>
          {templates.isPending && <Skeleton width="70%" />}
          {templates.isError && <div className="note bad">{templates.error.message}</div>}
          {templates.data?.length === 0 && <p className="soft">No templates are installed.</p>}
          <div className="picker scroll" role="radiogroup" aria-label="Template">
            {templates.data?.map((one) => (
              <label key={one.dir} className="pick tall">
                <input
                  type="radio"
                  name="template"
                  checked={one.dir === template?.dir}
                  onChange={() => setDir(one.dir)}
                />
                <span className="grow">
                  <b>{one.name}</b> <span className="muted num">{plural(one.workspaces, 'workspace')}</span>
                  <span className="hint">{one.description}</span>
                </span>
              </label>
            ))}
          </div>
          <Requirements title="Required" entries={template?.required_env ?? []} present={present} />
          <Requirements
            title="Recommended, may be skipped"
            entries={template?.recommended_env ?? []}
            present={present}
          />
          {run.error && (
            <div className={`note ${isSlow ? 'info' : 'bad'}`} role="alert">
              {isSlow ? 'Still importing. New workspaces will appear.' : run.error.message}
            </div>
          )}
        </>
      )}
    </Dialog>
  );
}
