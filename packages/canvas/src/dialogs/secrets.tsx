// Global secrets: a model key in one paste, and the list of what is saved. Values are written, never read back.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Trash2 } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { api } from '../app/api.ts';
import { setPreference, type Theme, usePreferences } from '../app/preferences.ts';
import {
  Button,
  ConfirmDialog,
  Dialog,
  Icon,
  IconButton,
  RelativeTime,
  SelectField,
  Skeleton,
  TextField,
  toast,
} from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';

const PROVIDERS = [
  { key: 'ANTHROPIC_API_KEY', label: 'Anthropic', hint: 'Begins with sk-ant-' },
  { key: 'OPENAI_API_KEY', label: 'OpenAI', hint: 'Begins with sk-' },
  { key: 'OPENROUTER_API_KEY', label: 'OpenRouter', hint: 'Begins with sk-or-' },
  { key: 'OLLAMA_BASE_URL', label: 'Ollama, on your machine', hint: 'http://127.0.0.1:11434/v1' },
  { key: 'OPENAI_BASE_URL', label: 'Any OpenAI-compatible address', hint: 'https://models.example/v1' },
];

function useSave() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (secret: { key: string; value: string }) => api.putGlobalSecret({ body: secret }),
    onSuccess: async () => {
      await Promise.all([
        client.invalidateQueries({ queryKey: ['global-secrets'] }),
        client.invalidateQueries({ queryKey: ['info'] }),
      ]);
    },
  });
}

export function ConnectModelDialog({ wanted }: { wanted?: string | undefined }) {
  const [key, setKey] = useState(wanted ?? 'ANTHROPIC_API_KEY');
  const [value, setValue] = useState('');
  const save = useSave();
  const provider = PROVIDERS.find((one) => one.key === key);
  const isAddress = key.endsWith('_BASE_URL');

  async function submit(event: FormEvent) {
    event.preventDefault();
    await save.mutateAsync({ key, value: value.trim() });
    toast.success('Saved. Agents that use it restart.');
    closeDialog();
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
      <form id="model-form" className="form" onSubmit={(event) => void submit(event)}>
        <SelectField label="Provider" value={key} onChange={(event) => setKey(event.target.value)}>
          {wanted && !provider && <option value={wanted}>{wanted}</option>}
          {PROVIDERS.map((one) => (
            <option key={one.key} value={one.key}>
              {one.label}
            </option>
          ))}
        </SelectField>
        <TextField
          label={<span className="mono">{key}</span>}
          data-autofocus=""
          type={isAddress ? 'url' : 'password'}
          autoComplete="off"
          placeholder={provider?.hint}
          value={value}
          error={save.error?.message ?? null}
          onChange={(event) => setValue(event.target.value)}
        />
        <p className="hint">
          New agents use the model at once. Scripted agents stay scripted until you change their runtime.
        </p>
      </form>
    </Dialog>
  );
}

function Secrets() {
  const client = useQueryClient();
  const secrets = useQuery({ queryKey: ['global-secrets'], queryFn: () => api.listGlobalSecrets() });
  const save = useSave();
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const [doomed, setDoomed] = useState<string | null>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    await save.mutateAsync({ key: key.trim(), value });
    setKey('');
    setValue('');
  }

  return (
    <section className="set-sec">
      <h3>Secrets</h3>
      <p className="soft">Every agent gets these as environment variables. A change restarts the agents it reaches.</p>
      {secrets.isPending && <Skeleton width="60%" />}
      <ul className="list">
        {secrets.data?.map((secret) => (
          <li key={secret.key} className="secret">
            <span className="mono clip">{secret.key}</span>
            <span className="muted">
              <RelativeTime at={secret.updated_at} />
            </span>
            <IconButton small label={`Delete ${secret.key}`} onClick={() => setDoomed(secret.key)}>
              <Icon of={Trash2} small />
            </IconButton>
          </li>
        ))}
        {secrets.data?.length === 0 && <li className="muted">None saved yet.</li>}
      </ul>
      <form className="form-pair add-secret" onSubmit={(event) => void submit(event)}>
        <TextField
          label="Name"
          placeholder="UPPER_SNAKE_CASE"
          autoComplete="off"
          value={key}
          onChange={(event) => setKey(event.target.value.toUpperCase())}
        />
        <TextField
          label="Value"
          type="password"
          autoComplete="off"
          value={value}
          onChange={(event) => setValue(event.target.value)}
        />
        <Button type="submit" look="line" size="lg" busy={save.isPending} disabled={!key.trim() || !value}>
          Save
        </Button>
      </form>
      {save.error && <div className="note bad">{save.error.message}</div>}
      {doomed && (
        <ConfirmDialog
          danger
          title={`Delete ${doomed}?`}
          lead="Every agent that uses it restarts without it."
          action="Delete"
          onConfirm={async () => {
            await api.deleteGlobalSecret({ params: { key: doomed } });
            await client.invalidateQueries({ queryKey: ['global-secrets'] });
          }}
          onClose={() => setDoomed(null)}
        />
      )}
    </section>
  );
}

export function SettingsDialog() {
  const theme = usePreferences((state) => state.theme);
  return (
    <Dialog kind="drawer" title="Settings" width={560} testId="settings" onClose={closeDialog}>
      <div className="settings scroll">
        <section className="set-sec">
          <h3>Appearance</h3>
          <SelectField
            label="Theme"
            value={theme}
            onChange={(event) => setPreference('theme', event.target.value as Theme)}
          >
            <option value="dark">Dark</option>
            <option value="light">Light</option>
            <option value="system">As the system</option>
          </SelectField>
        </section>
        <Secrets />
        <section className="set-sec">
          <h3>Session</h3>
          <p className="soft">Signing out ends this browser's session. `npm start` prints a fresh link.</p>
          <Button look="line" onClick={() => void api.deleteSession().finally(() => location.assign('/login'))}>
            Sign out
          </Button>
        </section>
      </div>
    </Dialog>
  );
}
