// A new workspace: a name is enough; the rest has a default.

import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../app/api.ts';
import { select, useWorkspaces } from '../live/index.ts';
import { Button, Dialog, SelectField, Switch, TextField } from '../ui/index.ts';
import { closeDialog, openDialog } from './dialog-store.ts';

const RUNTIMES = [
  { id: 'ai-sdk', label: 'Model agent (ai-sdk)' },
  { id: 'echo', label: 'Scripted agent (echo)' },
];
const TIERS = [
  { id: 1, label: 'T1 · sandboxed', hint: 'Reads its own files only.' },
  { id: 2, label: 'T2 · standard', hint: 'Bounded memory and processor.' },
  { id: 3, label: 'T3 · privileged', hint: 'The default.' },
  { id: 4, label: 'T4 · full access', hint: 'The whole machine. Use with care.' },
];
const CHILD_OFFSET = { x: 16, y: 130 };

export interface CreateDialogProps {
  parentId?: string | null;
  name?: string;
  point?: { x: number; y: number } | null;
}

export function CreateDialog({ parentId = null, name: firstName = '', point }: CreateDialogProps) {
  const workspaces = useWorkspaces();
  const [name, setName] = useState(firstName);
  const [role, setRole] = useState('');
  const [parent, setParent] = useState(parentId ?? '');
  const [runtime, setRuntime] = useState('default');
  const [model, setModel] = useState('');
  const [tier, setTier] = useState('3');
  const [external, setExternal] = useState(false);
  const twin = workspaces.some((other) => (other.parent_id ?? '') === parent && other.name === name.trim());

  function place(): { x: number; y: number } | undefined {
    const above = workspaces.find((other) => other.id === parent);
    if (!above) return point ? { x: Math.round(point.x), y: Math.round(point.y) } : undefined;
    const siblings = workspaces.filter((other) => other.parent_id === above.id).length;
    return {
      x: above.x + CHILD_OFFSET.x + (siblings % 2) * 254,
      y: above.y + CHILD_OFFSET.y + Math.floor(siblings / 2) * 144,
    };
  }

  const create = useMutation({
    mutationFn: () => {
      const canvas = place();
      return api.createWorkspace({
        body: {
          name: name.trim(),
          tier: Number(tier),
          ...(role.trim() ? { role: role.trim() } : {}),
          ...(parent ? { parent_id: parent } : {}),
          ...(external ? { external: true } : { runtime, ...(model.trim() ? { model: model.trim() } : {}) }),
          ...(canvas ? { canvas } : {}),
        },
      });
    },
    onSuccess: (created) => {
      if (created.connection) openDialog({ kind: 'connection', connection: created.connection });
      else closeDialog();
      select(created.id, 'chat');
    },
  });
  const field = (create.error as { body?: { field?: string } } | null)?.body?.field;
  const errorOf = (which: string) => (create.error && field === which ? create.error.message : null);

  function submit(event: FormEvent) {
    event.preventDefault();
    if (name.trim()) create.mutate();
  }

  return (
    <Dialog
      title="New workspace"
      lead="A seat in the organisation; an agent fills it."
      testId="create-dialog"
      onClose={closeDialog}
      footer={
        <>
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
            disabled={!name.trim()}
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
          value={name}
          error={errorOf('name')}
          hint={twin ? 'A workspace of this name is there already.' : undefined}
          onChange={(event) => setName(event.target.value)}
        />
        <TextField
          label="Role"
          maxLength={1000}
          placeholder="What it is responsible for"
          value={role}
          error={errorOf('role')}
          onChange={(event) => setRole(event.target.value)}
        />
        <SelectField
          label="Reports to"
          value={parent}
          error={errorOf('parent_id')}
          onChange={(event) => setParent(event.target.value)}
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
            <span className="hint"> It runs elsewhere and connects by itself.</span>
          </span>
          <Switch label="External agent" checked={external} onChange={setExternal} />
        </div>
        {!external && (
          <div className="form-pair">
            <SelectField
              label="Runtime"
              value={runtime}
              error={errorOf('runtime')}
              onChange={(event) => setRuntime(event.target.value)}
            >
              <option value="default">Best available</option>
              {RUNTIMES.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.label}
                </option>
              ))}
            </SelectField>
            <TextField
              label="Model"
              placeholder="provider:model"
              value={model}
              error={errorOf('model')}
              onChange={(event) => setModel(event.target.value)}
            />
          </div>
        )}
        <SelectField
          label="Tier"
          value={tier}
          hint={TIERS.find((one) => String(one.id) === tier)?.hint}
          onChange={(event) => setTier(event.target.value)}
        >
          {TIERS.map((one) => (
            <option key={one.id} value={one.id}>
              {one.label}
            </option>
          ))}
        </SelectField>
        {create.error && !field && (
          <div className="note bad" role="alert">
            {create.error.message}
          </div>
        )}
      </form>
    </Dialog>
  );
}
