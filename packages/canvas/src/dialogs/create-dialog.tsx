// A new workspace: a name is enough; the rest has a default.

import { GRID } from '@molecule/contract';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../app/api.ts';
import { slotIn } from '../canvas/drop.ts';
import { currentLayout } from '../canvas/use-seats.ts';
import { select, useConnection, useWorkspaces } from '../live/index.ts';
import { Button, Dialog, readAmount, refusedField, SelectField, Switch, TextField, TIERS } from '../ui/index.ts';
import { closeDialog, openDialog } from './dialog-store.ts';

const RUNTIMES = [
  { id: 'default', label: 'Best available' },
  { id: 'ai-sdk', label: 'Model agent (ai-sdk)' },
  { id: 'echo', label: 'Scripted agent (echo)' },
];
const DELIVERY = [
  { id: 'poll', label: 'It fetches its messages' },
  { id: 'push', label: 'It has an address of its own' },
];

const FIRST = {
  name: '',
  role: '',
  parent: '',
  isExternal: false,
  runtime: 'default',
  model: '',
  delivery: 'poll',
  url: '',
  tier: '3',
  budget: '',
};
type Form = typeof FIRST;

/** A free slot in the team, else the point asked for, rounded. */
function placeFor(parentId: string, point: { x: number; y: number } | null | undefined) {
  const leaf = { x: 0, y: 0, width: GRID.leafWidth, height: GRID.leafHeight };
  const spot = parentId ? slotIn(currentLayout(), parentId, leaf, '') : point;
  return spot ? { x: Math.round(spot.x), y: Math.round(spot.y) } : undefined;
}

function toBody(form: Form, canvas: { x: number; y: number } | undefined) {
  const budget = readAmount(form.budget);
  return {
    name: form.name.trim(),
    tier: Number(form.tier),
    ...(form.role.trim() ? { role: form.role.trim() } : {}),
    ...(form.parent ? { parent_id: form.parent } : {}),
    ...(typeof budget === 'number' ? { budget_limit: budget } : {}),
    ...(canvas ? { canvas } : {}),
    ...(form.isExternal
      ? {
          external: true,
          ...(form.delivery === 'push' && form.url.trim()
            ? { delivery_mode: 'push' as const, url: form.url.trim() }
            : { delivery_mode: 'poll' as const }),
        }
      : { runtime: form.runtime, ...(form.model.trim() ? { model: form.model.trim() } : {}) }),
  };
}

export interface CreateDialogProps {
  parentId?: string | null;
  name?: string;
  external?: boolean;
  point?: { x: number; y: number } | null;
}

export function CreateDialog({ parentId = null, name = '', external = false, point }: CreateDialogProps) {
  const workspaces = useWorkspaces();
  const { canWrite } = useConnection();
  const [form, setForm] = useState<Form>({ ...FIRST, name, parent: parentId ?? '', isExternal: external });
  const set = (change: Partial<Form>) => setForm((before) => ({ ...before, ...change }));
  const isTaken = workspaces.some(
    (other) => (other.parent_id ?? '') === form.parent && other.name === form.name.trim(),
  );
  const isAmount = readAmount(form.budget) !== undefined;

  const create = useMutation({
    mutationFn: () => api.createWorkspace({ body: toBody(form, placeFor(form.parent, point)) }),
    onSuccess: (created) => {
      select(created.id, 'chat');
      if (created.connection) openDialog({ kind: 'connect', id: created.id, connection: created.connection });
      else closeDialog();
    },
  });
  const field = refusedField(create.error);
  const errorOf = (which: string) => (create.error && field === which ? create.error.message : null);
  const canCreate = form.name.trim() !== '' && isAmount && canWrite;

  function submit(event: FormEvent) {
    event.preventDefault();
    if (canCreate && !create.isPending) create.mutate();
  }

  return (
    <Dialog
      title={form.isExternal ? 'Connect an agent' : 'New workspace'}
      lead={
        form.isExternal
          ? 'A seat for an agent that already runs elsewhere. You get a token for it.'
          : 'A seat in the organisation; an agent fills it.'
      }
      width={520}
      testId="create-dialog"
      onClose={closeDialog}
      footer={
        <>
          {!canWrite && <span className="hint grow">The platform is out of reach.</span>}
          <Button size="lg" look="line" onClick={closeDialog}>
            Cancel
          </Button>
          <Button
            size="lg"
            look="primary"
            type="submit"
            form="create-form"
            data-testid="confirm-ok"
            busy={create.isPending}
            disabled={!canCreate}
          >
            Create
          </Button>
        </>
      }
    >
      <form id="create-form" className="form" onSubmit={submit}>
        <TextField
          label="Name"
          data-autofocus=""
          maxLength={255}
          value={form.name}
          error={errorOf('name')}
          hint={isTaken ? 'A workspace of this name is there already.' : undefined}
          onChange={(event) => set({ name: event.target.value })}
        />
        <TextField
          label="Role"
          maxLength={1000}
          placeholder="What it is responsible for"
          value={form.role}
          error={errorOf('role')}
          onChange={(event) => set({ role: event.target.value })}
        />
        <SelectField
          label="Reports to"
          value={form.parent}
          error={errorOf('parent_id')}
          onChange={(event) => set({ parent: event.target.value })}
        >
          <option value="">Nobody: a root</option>
          {workspaces.map((other) => (
            <option key={other.id} value={other.id}>
              {other.name}
            </option>
          ))}
        </SelectField>
        <div className="row form-switch">
          <span className="grow">
            <b>External agent</b>
            <span className="hint">It runs elsewhere and connects by itself.</span>
          </span>
          <Switch label="External agent" checked={form.isExternal} onChange={(isExternal) => set({ isExternal })} />
        </div>
        {form.isExternal ? (
          <div className="form-pair">
            <SelectField
              label="Delivery"
              value={form.delivery}
              onChange={(event) => set({ delivery: event.target.value })}
            >
              {DELIVERY.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.label}
                </option>
              ))}
            </SelectField>
            <TextField
              label="Address"
              type="url"
              placeholder={form.delivery === 'push' ? 'https://agent.example' : 'not needed'}
              disabled={form.delivery !== 'push'}
              value={form.url}
              error={errorOf('url')}
              onChange={(event) => set({ url: event.target.value })}
            />
          </div>
        ) : (
          <div className="form-pair">
            <SelectField
              label="Runtime"
              value={form.runtime}
              error={errorOf('runtime')}
              onChange={(event) => set({ runtime: event.target.value })}
            >
              {RUNTIMES.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.label}
                </option>
              ))}
            </SelectField>
            <TextField
              label="Model"
              placeholder="provider:model"
              value={form.model}
              error={errorOf('model')}
              onChange={(event) => set({ model: event.target.value })}
            />
          </div>
        )}
        <div className="form-pair">
          <SelectField
            label="Tier"
            value={form.tier}
            hint={TIERS.find((one) => String(one.id) === form.tier)?.hint}
            onChange={(event) => set({ tier: event.target.value })}
          >
            {TIERS.map((one) => (
              <option key={one.id} value={one.id}>
                {one.label}
              </option>
            ))}
          </SelectField>
          <TextField
            label="Monthly limit"
            inputMode="decimal"
            placeholder="No limit"
            before={<span className="muted">$</span>}
            value={form.budget}
            hint="Empty is no limit."
            error={isAmount ? errorOf('budget_limit') : 'An amount, or nothing'}
            onChange={(event) => set({ budget: event.target.value })}
          />
        </div>
        {create.error && !field && (
          <div className="note bad" role="alert">
            {create.error.message}
          </div>
        )}
      </form>
    </Dialog>
  );
}
