// One secret to add or replace. Says what looks wrong and who restarts, before it is saved.

import { Eye, EyeOff, RefreshCw, TriangleAlert } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { useWorkspaces } from '../../live/index.ts';
import { Button, Icon, IconButton, plural, TextField, toast } from '../../ui/index.ts';
import { doubtAbout, listAffected, nameThem, PROVIDERS, useSaveSecret } from '../use-secrets.ts';

const NAME = /^[A-Z_][A-Z0-9_]{0,127}$/;

export interface SecretFormProps {
  /** Empty for a new one. */
  name: string;
  replaces: boolean;
  onDirty(dirty: boolean): void;
  onClose(): void;
}

export function SecretForm({ name: first, replaces, onDirty, onClose }: SecretFormProps) {
  const workspaces = useWorkspaces();
  const [name, setName] = useState(first);
  const [value, setValue] = useState('');
  const [isShown, setShown] = useState(false);
  const save = useSaveSecret();
  const isNamed = NAME.test(name);
  const doubt = doubtAbout(name, value);
  const { restarts, waiting } = listAffected(workspaces, name);

  function submit(event: FormEvent) {
    event.preventDefault();
    if (!isNamed || !value) return;
    save.mutate(
      { key: name, value },
      {
        onSuccess: () => {
          toast.success(`${name} saved`);
          onClose();
        },
      },
    );
  }

  return (
    <form className="secret-form" onSubmit={submit}>
      <div className="secret-fields">
        <TextField
          label="Name"
          className="mono"
          list="secret-names"
          placeholder="UPPER_SNAKE_CASE"
          autoComplete="off"
          spellCheck={false}
          readOnly={replaces}
          data-autofocus={first ? undefined : ''}
          value={name}
          error={name && !isNamed ? 'Upper case letters, digits and _' : null}
          onChange={(event) => setName(event.target.value.toUpperCase())}
        />
        <datalist id="secret-names">
          {PROVIDERS.map((one) => (
            <option key={one.key} value={one.key} />
          ))}
        </datalist>
        <TextField
          label={replaces ? 'New value' : 'Value'}
          className="mono"
          type={isShown ? 'text' : 'password'}
          autoComplete="off"
          spellCheck={false}
          value={value}
          error={save.error?.message ?? null}
          after={
            <IconButton
              small
              label={isShown ? 'Hide what you typed' : 'Show what you typed'}
              onClick={() => setShown(!isShown)}
            >
              <Icon of={isShown ? EyeOff : Eye} />
            </IconButton>
          }
          onChange={(event) => {
            setValue(event.target.value);
            onDirty(event.target.value !== '');
          }}
        />
        <div className="row secret-acts">
          <Button size="lg" onClick={onClose}>
            Cancel
          </Button>
          <Button size="lg" look="primary" type="submit" busy={save.isPending} disabled={!isNamed || !value}>
            Save
          </Button>
        </div>
      </div>
      {doubt && (
        <div className="note warn">
          <Icon of={TriangleAlert} small />
          <span>{doubt}</span>
        </div>
      )}
      {isNamed && restarts.length > 0 && (
        <div className="note info">
          <Icon of={RefreshCw} small />
          <span>
            {waiting.length > 0 ? (
              <>
                Saving restarts <b>{nameThem(waiting)}</b>, which failed because this is missing, and who else uses it.
              </>
            ) : (
              `Saving restarts the agents without a value of their own, at most ${plural(restarts.length, 'workspace')}.`
            )}
          </span>
        </div>
      )}
    </form>
  );
}
