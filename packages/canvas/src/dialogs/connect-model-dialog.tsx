// A model key in one paste: an offer, never a wall. Opened for one key, it asks for that key only.

import { type FormEvent, useState } from 'react';
import { useWorkspaces } from '../live/index.ts';
import { Button, Dialog, SelectField, TextField, toast } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';
import { doubtAbout, listAffected, nameThem, PROVIDERS, useSaveSecret } from './use-secrets.ts';

export function ConnectModelDialog({ wanted }: { wanted?: string | undefined }) {
  const workspaces = useWorkspaces();
  const [key, setKey] = useState(wanted ?? PROVIDERS[0]?.key ?? '');
  const [value, setValue] = useState('');
  const save = useSaveSecret();
  const provider = PROVIDERS.find((one) => one.key === key);
  const isAddress = key.endsWith('_BASE_URL');
  const { waiting } = listAffected(workspaces, key);
  const doubt = doubtAbout(key, value);

  function submit(event: FormEvent) {
    event.preventDefault();
    save.mutate(
      { key, value: value.trim() },
      {
        onSuccess: () => {
          toast.success(waiting.length > 0 ? `Saved. ${nameThem(waiting)} starts again.` : 'Saved');
          closeDialog();
        },
      },
    );
  }

  return (
    <Dialog
      title={wanted ? `Add ${wanted}` : 'Connect a model'}
      lead="Stored encrypted on this platform, handed to agents when they start, never shown again."
      testId="connect-model"
      onClose={closeDialog}
      footer={
        <>
          <Button size="lg" look="line" onClick={closeDialog}>
            Not now
          </Button>
          <Button
            size="lg"
            look="primary"
            type="submit"
            form="model-form"
            data-testid="confirm-ok"
            busy={save.isPending}
            disabled={!value.trim()}
          >
            Save
          </Button>
        </>
      }
    >
      <form id="model-form" className="form" onSubmit={submit}>
        {!wanted && (
          <SelectField label="Provider" value={key} onChange={(event) => setKey(event.target.value)}>
            {PROVIDERS.map((one) => (
              <option key={one.key} value={one.key}>
                {one.label}
              </option>
            ))}
          </SelectField>
        )}
        <TextField
          label={<span className="mono">{key}</span>}
          data-autofocus=""
          type={isAddress ? 'url' : 'password'}
          autoComplete="off"
          spellCheck={false}
          placeholder={provider?.hint}
          value={value}
          error={save.error?.message ?? null}
          onChange={(event) => setValue(event.target.value)}
        />
        {doubt && <div className="note warn">{doubt}</div>}
        {waiting.length > 0 ? (
          <div className="note info">
            <span>
              Saving restarts <b>{nameThem(waiting)}</b>, which failed because this is missing.
            </span>
          </div>
        ) : (
          <p className="hint">
            Agents made from now on use the model. Scripted ones stay scripted until you give them the model, which the
            canvas then offers.
          </p>
        )}
      </form>
    </Dialog>
  );
}
