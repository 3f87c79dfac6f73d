// One schedule to write or change: when, on whose clocks, and what the agent is asked. The platform judges the fields; what it
// refuses stands at the field it names.

import type { ScheduleRow } from '@molecule/contract';
import { type FormEvent, useId, useMemo, useState } from 'react';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Dialog, refusedField, SelectField, Switch, TextArea, TextField, toSentence } from '../../ui/index.ts';
import { describeCron, formatInZone, listNextRuns, listTimezones, ownTimezone, PRESETS } from './cron.ts';
import { type ScheduleFields, useSaveSchedule } from './use-schedules.ts';

const RUNS_SHOWN = 5;
const OWN = 'own';

const firstFields = (): ScheduleFields => ({
  name: '',
  cron_expr: '0 9 * * 1-5',
  timezone: ownTimezone(),
  prompt: '',
  enabled: true,
});

function Preview({ cron, timezone }: { cron: string; timezone: string }) {
  const runs = useMemo(() => listNextRuns(cron, timezone, RUNS_SHOWN, new Date()), [cron, timezone]);
  if (runs.length === 0)
    return <p className="hint">Minute, hour, day of the month, month, day of the week. These name no time yet.</p>;
  return (
    <div className="sched-preview" data-testid="schedule-preview">
      <p>{describeCron(cron, timezone)}</p>
      <ul className="muted num" aria-label="Next runs">
        {runs.map((run) => (
          <li key={run.getTime()}>{formatInZone(run, timezone)}</li>
        ))}
      </ul>
    </div>
  );
}

export interface ScheduleFormProps {
  node: WorkspaceNode;
  /** Null = a new one. */
  schedule: ScheduleRow | null;
  onClose(): void;
}

export function ScheduleForm({ node, schedule, onClose }: ScheduleFormProps) {
  const { canWrite } = useConnection();
  const formId = useId();
  const [fields, setFields] = useState<ScheduleFields>(schedule ?? firstFields);
  const { name, cron_expr, timezone, prompt, enabled } = fields;
  const save = useSaveSchedule(node.id, schedule, onClose);
  const refused = refusedField(save.error);
  // The platform begins with the name of the field, which stands above it here.
  const errorOf = (field: keyof ScheduleFields) =>
    save.error && refused === field ? toSentence(save.error.message.replace(`${field}: `, '')) : null;
  function set(change: Partial<ScheduleFields>) {
    setFields((before) => ({ ...before, ...change }));
    if (refused !== null && refused in change) save.reset();
  }
  const isComplete = cron_expr.trim() !== '' && prompt.trim() !== '';

  function submit(event: FormEvent) {
    event.preventDefault();
    if (isComplete && canWrite && !save.isPending)
      save.mutate({ name: name.trim(), cron_expr, timezone, prompt, enabled });
  }

  return (
    <Dialog
      title={schedule ? `Change ${schedule.name || 'the schedule'}` : 'New schedule'}
      lead={`${node.name} gets the prompt at these times, like a message.`}
      width={560}
      testId="schedule-form"
      onClose={onClose}
      footer={
        <>
          {!canWrite && <span className="hint grow">The platform is out of reach.</span>}
          <Button size="lg" look="line" onClick={onClose}>
            Cancel
          </Button>
          <Button
            size="lg"
            look="primary"
            type="submit"
            form={formId}
            data-testid="confirm-ok"
            busy={save.isPending}
            disabled={!isComplete || !canWrite}
          >
            {schedule ? 'Save' : 'Create'}
          </Button>
        </>
      }
    >
      <form id={formId} className="form" onSubmit={submit}>
        <TextField
          label="Name"
          data-autofocus=""
          maxLength={255}
          placeholder="Morning report"
          value={name}
          error={errorOf('name')}
          onChange={(event) => set({ name: event.target.value })}
        />
        <TextArea
          label="Prompt"
          rows={3}
          placeholder="What the agent is asked each time"
          value={prompt}
          error={errorOf('prompt')}
          onChange={(event) => set({ prompt: event.target.value })}
        />
        <SelectField
          label="When"
          value={PRESETS.find(({ cron }) => cron === cron_expr.trim())?.cron ?? OWN}
          onChange={(event) => event.target.value !== OWN && set({ cron_expr: event.target.value })}
        >
          {PRESETS.map(({ label, cron }) => (
            <option key={cron} value={cron}>
              {label}
            </option>
          ))}
          <option value={OWN}>As written below</option>
        </SelectField>
        <div className="form-pair">
          <TextField
            label="Cron expression"
            className="mono"
            spellCheck={false}
            value={cron_expr}
            error={errorOf('cron_expr')}
            onChange={(event) => set({ cron_expr: event.target.value })}
          />
          <TextField
            label="Time zone"
            list={`${formId}-zones`}
            spellCheck={false}
            value={timezone}
            error={errorOf('timezone')}
            onChange={(event) => set({ timezone: event.target.value })}
          />
          <datalist id={`${formId}-zones`}>
            {listTimezones().map((zone) => (
              <option key={zone} value={zone} />
            ))}
          </datalist>
        </div>
        <Preview cron={cron_expr} timezone={timezone} />
        <div className="row form-switch">
          <span className="grow">
            <b>Enabled</b>
            <span className="hint">Off keeps it, and it does not run by itself.</span>
          </span>
          <Switch label="Enabled" checked={enabled} onChange={(on) => set({ enabled: on })} />
        </div>
        {save.error && !refused && (
          <div className="note bad" role="alert">
            {save.error.message}
          </div>
        )}
      </form>
    </Dialog>
  );
}
