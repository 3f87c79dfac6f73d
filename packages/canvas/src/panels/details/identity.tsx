// Name, role and tier: edited in place, saved together; a refusal stands at its field.

import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from '../../app/api.ts';
import { applyFields, useConnection, type WorkspaceNode, writeLocally } from '../../live/index.ts';
import { Button, refusedField, SelectField, TextArea, TextField, TIERS, toast } from '../../ui/index.ts';
import { Section } from './section.tsx';

export function Identity({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const [name, setName] = useState(node.name);
  const [role, setRole] = useState(node.role ?? '');
  const [tier, setTier] = useState(String(node.tier));
  useEffect(() => setName(node.name), [node.name]);
  useEffect(() => setRole(node.role ?? ''), [node.role]);
  useEffect(() => setTier(String(node.tier)), [node.tier]);

  const change = {
    ...(name !== node.name ? { name } : {}),
    ...(role !== (node.role ?? '') ? { role: role || null } : {}),
    ...(tier !== String(node.tier) ? { tier: Number(tier) } : {}),
  };
  const isDirty = Object.keys(change).length > 0;
  const save = useMutation({
    mutationFn: async () => {
      const { tier: wanted, ...shown } = change;
      let needsRestart = false;
      await writeLocally(node.id, shown, async () => {
        const reply = await api.patchWorkspace({ params: { id: node.id }, body: change });
        needsRestart = reply.needs_restart === true;
      });
      applyFields(node.id, {
        ...(wanted === undefined ? {} : { tier: wanted }),
        ...(needsRestart ? { needs_restart: true } : {}),
      });
      return needsRestart;
    },
    onSuccess: (needsRestart) => toast.success(needsRestart ? 'Saved. A restart applies it.' : 'Saved'),
  });
  const field = refusedField(save.error);
  const errorOf = (which: string) => (save.error && field === which ? save.error.message : null);

  return (
    <Section title="Identity">
      <TextField
        label="Name"
        maxLength={255}
        value={name}
        error={errorOf('name')}
        onChange={(event) => setName(event.target.value)}
      />
      <TextArea
        label="Role"
        rows={2}
        maxLength={1000}
        value={role}
        error={errorOf('role')}
        onChange={(event) => setRole(event.target.value)}
      />
      <SelectField
        label="Tier"
        value={tier}
        error={errorOf('tier')}
        hint={TIERS.find((one) => String(one.id) === tier)?.hint}
        onChange={(event) => setTier(event.target.value)}
      >
        {TIERS.map((one) => (
          <option key={one.id} value={one.id}>
            {one.label}
          </option>
        ))}
      </SelectField>
      {save.error && !field && (
        <div className="note bad" role="alert">
          {save.error.message}
        </div>
      )}
      {isDirty && (
        <div className="row det-acts">
          <Button
            look="primary"
            busy={save.isPending}
            disabled={!canWrite || name.trim() === ''}
            title={canWrite ? undefined : 'The platform is out of reach'}
            onClick={() => save.mutate()}
          >
            Save
          </Button>
          <Button
            onClick={() => {
              setName(node.name);
              setRole(node.role ?? '');
              setTier(String(node.tier));
              save.reset();
            }}
          >
            Revert
          </Button>
        </div>
      )}
    </Section>
  );
}
