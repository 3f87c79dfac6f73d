// Which image each runtime starts from, where a container engine starts them: pin one, go back, let go, fetch the newest.

import { BUILT_IN_RUNTIMES, type ImagePin } from '@molecule/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { RefreshCw, Trash2, Undo2 } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { api } from '../../app/api.ts';
import { useConnection } from '../../live/index.ts';
import {
  Button,
  ConfirmDialog,
  Icon,
  IconButton,
  plural,
  RelativeTime,
  SelectField,
  Skeleton,
  TextField,
  toast,
} from '../../ui/index.ts';
import { ReadFailure, SectionHead } from './section-parts.tsx';

const KEY = ['image-pins'];
const REFRESH_TIMEOUT_MS = 600_000;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const RUNTIMES = BUILT_IN_RUNTIMES.filter((runtime) => runtime !== 'external');

const shorten = (digest: string) => `${digest.slice(0, 19)}…`;

function usePins() {
  const client = useQueryClient();
  const pins = useQuery({ queryKey: KEY, queryFn: () => api.listImagePins() });
  return { pins, refresh: () => client.invalidateQueries({ queryKey: KEY }) };
}

function PinForm({ onSaved }: { onSaved(): Promise<unknown> }) {
  const { canWrite } = useConnection();
  const [runtime, setRuntime] = useState<string>(RUNTIMES[0] ?? '');
  const [digest, setDigest] = useState('');
  const isDigest = DIGEST.test(digest.trim());
  const pin = useMutation({
    mutationFn: () => api.putImagePin({ params: { template: runtime }, body: { digest: digest.trim() } }),
    onSuccess: () => {
      setDigest('');
      toast.success(`${runtime} is pinned from the next start on`);
      return onSaved();
    },
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    if (isDigest && canWrite && !pin.isPending) pin.mutate();
  }
  return (
    <form className="row mint" onSubmit={submit}>
      <SelectField label="Runtime" value={runtime} onChange={(event) => setRuntime(event.target.value)}>
        {RUNTIMES.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </SelectField>
      <TextField
        label="Digest"
        className="mono"
        placeholder="sha256:…"
        autoComplete="off"
        spellCheck={false}
        value={digest}
        error={pin.error?.message ?? (digest && !isDigest ? 'sha256: and 64 hexadecimal digits' : null)}
        onChange={(event) => setDigest(event.target.value)}
      />
      <Button size="lg" look="line" type="submit" busy={pin.isPending} disabled={!isDigest || !canWrite}>
        Pin
      </Button>
    </form>
  );
}

function RefreshAll({ onTold }: { onTold(result: string): void }) {
  const { canWrite } = useConnection();
  const [asks, setAsks] = useState(false);
  async function pull() {
    const { pulled, failed, recreated } = await api.refreshImages({ query: {}, timeoutMs: REFRESH_TIMEOUT_MS });
    const parts = [`${plural(pulled.length, 'image')} pulled, ${plural(recreated.length, 'workspace')} started anew.`];
    if (failed.length > 0) parts.push(`Not pulled: ${failed.join(', ')}.`);
    onTold(parts.join(' '));
  }
  return (
    <>
      <Button look="line" disabled={!canWrite} onClick={() => setAsks(true)}>
        <Icon of={RefreshCw} />
        Fetch the newest
      </Button>
      {asks && (
        <ConfirmDialog
          danger
          title="Fetch the newest images?"
          lead="Agents that run an older image of an unpinned runtime are ended and start anew with the new one."
          action="Fetch and restart"
          onConfirm={pull}
          onClose={() => setAsks(false)}
        />
      )}
    </>
  );
}

function PinRow({ pin, onChanged }: { pin: ImagePin; onChanged(): Promise<unknown> }) {
  const { canWrite } = useConnection();
  const params = { template: pin.template_name };
  const change = useMutation({ mutationFn: (send: () => Promise<unknown>) => send(), onSuccess: onChanged });
  return (
    <li className="pin">
      <span className="clip">
        <b className="mono">{pin.template_name}</b>{' '}
        <span className="mono soft" title={pin.digest}>
          {shorten(pin.digest)}
        </span>
        {change.error && (
          <span className="field-error" role="alert">
            {' '}
            {change.error.message}
          </span>
        )}
      </span>
      <span className="muted num">
        <RelativeTime at={pin.updated_at} />
      </span>
      <span className="row">
        <IconButton
          label={`Go back to the image of ${pin.template_name} before`}
          disabled={!canWrite || pin.previous_digest === null || change.isPending}
          onClick={() => change.mutate(() => api.rollbackImagePin({ params }))}
        >
          <Icon of={Undo2} />
        </IconButton>
        <IconButton
          label={`Unpin ${pin.template_name}`}
          disabled={!canWrite || change.isPending}
          onClick={() => change.mutate(() => api.deleteImagePin({ params }))}
        >
          <Icon of={Trash2} />
        </IconButton>
      </span>
    </li>
  );
}

export function ImagesSection() {
  const { pins, refresh } = usePins();
  const [told, setTold] = useState<string | null>(null);
  return (
    <section aria-label="Runtime images">
      <SectionHead
        title="Runtime images"
        lead="A runtime follows its newest image unless it is pinned to one. A pin counts from the next start of each workspace."
        action={<RefreshAll onTold={setTold} />}
      />
      {told && (
        <div className="note info images-told" role="status">
          {told}
        </div>
      )}
      <PinForm onSaved={refresh} />
      {pins.isPending && <Skeleton width="60%" />}
      {pins.isError && <ReadFailure what="The pins" error={pins.error} onRetry={() => void pins.refetch()} />}
      {pins.data?.length === 0 && <p className="hint">No runtime is pinned.</p>}
      {pins.data && pins.data.length > 0 && (
        <ul className="list" aria-label="Pinned runtimes">
          {pins.data.map((pin) => (
            <PinRow key={pin.template_name} pin={pin} onChanged={refresh} />
          ))}
        </ul>
      )}
    </section>
  );
}
