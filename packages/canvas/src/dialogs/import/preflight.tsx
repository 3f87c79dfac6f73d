// What a template needs before it can be imported: one row per entry, satisfied by a saved secret.

import type { EnvRequirement } from '@molecule/contract';
import { Check } from 'lucide-react';
import { useState } from 'react';
import { Button, Icon, TextField } from '../../ui/index.ts';
import { useSaveSecret } from '../use-secrets.ts';

/** One variable, or the members of a group of which any will do. */
export const membersOf = (entry: EnvRequirement): readonly string[] =>
  typeof entry === 'string' ? [entry] : entry.any_of;

export function isMet(entry: EnvRequirement, present: ReadonlySet<string>): boolean {
  return membersOf(entry).some((name) => present.has(name));
}

function MissingEntry({ entry }: { entry: EnvRequirement }) {
  const names = membersOf(entry);
  const [name, setName] = useState(names[0] ?? '');
  const [value, setValue] = useState('');
  const save = useSaveSecret();
  return (
    <li className="req">
      <TextField
        label={<span className="mono">{names.join(' or ')}</span>}
        type="password"
        autoComplete="off"
        spellCheck={false}
        value={value}
        error={save.error?.message ?? null}
        onChange={(event) => setValue(event.target.value)}
        before={
          names.length > 1 ? (
            <select
              aria-label="Which one"
              className="which mono"
              value={name}
              onChange={(event) => setName(event.target.value)}
            >
              {names.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          ) : undefined
        }
        after={
          <Button size="sm" disabled={!value} busy={save.isPending} onClick={() => save.mutate({ key: name, value })}>
            Save
          </Button>
        }
      />
    </li>
  );
}

export interface RequirementsProps {
  title: string;
  entries: readonly EnvRequirement[];
  present: ReadonlySet<string>;
}

export function Requirements({ title, entries, present }: RequirementsProps) {
  if (entries.length === 0) return null;
  return (
    <section aria-label={title}>
      <h3 className="h-label">{title}</h3>
      <ul className="reqs">
        {entries.map((entry) => {
          const found = membersOf(entry).find((name) => present.has(name));
          if (!found) return <MissingEntry key={membersOf(entry).join('|')} entry={entry} />;
          return (
            <li key={membersOf(entry).join('|')} className="row req">
              <Icon of={Check} small className="ok" />
              <span className="mono grow">{found}</span>
              <span className="muted">Configured</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
