// "Give the team a model": which scripted agents get it, then how each of them comes up, and at the end who did not.

import { Check } from 'lucide-react';
import { useState } from 'react';
import { useInfo } from '../app/use-info.ts';
import { useConnection, useLive, useWorkspaces, type WorkspaceNode } from '../live/index.ts';
import { Button, Dialog, Icon, plural, StatusGlyph, statusLabel, TextField } from '../ui/index.ts';
import { closeDialog, openDialog } from './dialog-store.ts';
import { outcomeOf, type SwitchOutcome, switchToModel, useSwitch } from './model-switch.ts';
import { nameThem } from './use-secrets.ts';
import './give-model.css';

interface Row {
  node: WorkspaceNode;
  outcome: SwitchOutcome;
}

const WORDS: Record<Exclude<SwitchOutcome['state'], 'working'>, string> = {
  waiting: 'Waits its turn',
  done: 'Has the model',
  later: 'Gets it when it is started again',
  failed: '',
};

function Progress({ node, outcome }: Row) {
  const words = outcome.state === 'working' ? statusLabel('provisioning') : WORDS[outcome.state];
  const status = {
    waiting: 'hibernated',
    working: 'provisioning',
    done: 'online',
    later: node.status,
    failed: 'failed',
  };
  return (
    <li className="switch-row">
      <StatusGlyph status={status[outcome.state]} />
      <span className="clip">{node.name}</span>
      <span className={outcome.state === 'failed' ? 'field-error' : 'muted'}>
        {outcome.state === 'failed' ? outcome.error : words}
      </span>
    </li>
  );
}

/** One sentence over the list: how far it is, or how it ended. */
function summarise(rows: readonly Row[]): string {
  const count = (state: SwitchOutcome['state']) => rows.filter((row) => row.outcome.state === state).length;
  const open = count('waiting') + count('working');
  const failed = rows.filter((row) => row.outcome.state === 'failed');
  if (open > 0) return `${rows.length - open} of ${plural(rows.length, 'agent')} ready.`;
  const done = count('done') + count('later');
  if (failed.length === 0) return `${plural(done, 'agent')} ${done === 1 ? 'has' : 'have'} the model.`;
  return `${done} of ${rows.length} ${done === 1 ? 'has' : 'have'} the model. ${nameThem(failed.map((row) => row.node))} did not come up.`;
}

function Choice({
  nodes,
  onStart,
}: {
  nodes: readonly WorkspaceNode[];
  onStart(chosen: WorkspaceNode[], model: string): void;
}) {
  const { canWrite } = useConnection();
  const info = useInfo();
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [model, setModel] = useState('');
  const keys = info.data?.model_keys ?? [];
  const chosen = nodes.filter((node) => !left.has(node.id));
  const toggle = (id: string) => setLeft((before) => before.symmetricDifference(new Set([id])));
  return (
    <Dialog
      title="Give the team a model"
      lead="Their runtime changes from scripted to the model and they start again. Files and history stay."
      width={560}
      testId="give-model"
      onClose={closeDialog}
      footer={
        <>
          {!canWrite && <span className="hint grow">The platform is out of reach.</span>}
          <Button size="lg" look="line" onClick={closeDialog}>
            Not now
          </Button>
          <Button
            size="lg"
            look="primary"
            data-autofocus=""
            data-testid="confirm-ok"
            disabled={!canWrite || chosen.length === 0 || keys.length === 0}
            onClick={() => onStart(chosen, model.trim())}
          >
            Give {plural(chosen.length, 'agent')} a model
          </Button>
        </>
      }
    >
      {nodes.length === 0 && <p className="soft">No agent is scripted.</p>}
      {info.data && keys.length === 0 && (
        <div className="note warn">
          <span className="grow">No model key is set yet.</span>
          <Button size="sm" onClick={() => openDialog({ kind: 'connect-model' })}>
            Connect a model
          </Button>
        </div>
      )}
      {nodes.length > 0 && (
        <div className="form">
          <fieldset className="picker scroll" aria-label="Scripted agents">
            {nodes.map((node) => (
              <label key={node.id} className="row pick">
                <input type="checkbox" checked={!left.has(node.id)} onChange={() => toggle(node.id)} />
                <StatusGlyph status={node.status} size={10} />
                <span className="clip grow">{node.name}</span>
              </label>
            ))}
          </fieldset>
          <TextField
            label="Model"
            placeholder="The best known of your provider"
            hint="As provider:model, for example openai:gpt-5-mini. Leave it empty to let each agent choose."
            maxLength={100}
            value={model}
            onChange={(event) => setModel(event.target.value)}
          />
        </div>
      )}
    </Dialog>
  );
}

export function GiveModelDialog() {
  const nodes = useWorkspaces();
  const byId = useLive((state) => state.model.nodes);
  const { canWrite } = useConnection();
  const steps = useSwitch((state) => state.steps);
  const [run, setRun] = useState<{ ids: readonly string[]; model: string } | null>(null);
  const start = (chosen: readonly WorkspaceNode[], model: string) => {
    setRun((before) => ({ ids: before?.ids ?? chosen.map((node) => node.id), model }));
    void switchToModel(chosen, model);
  };
  if (!run) return <Choice nodes={nodes.filter((node) => node.runtime === 'echo')} onStart={start} />;
  const rows = run.ids.flatMap((id): Row[] => {
    const node = byId[id];
    return node ? [{ node, outcome: outcomeOf(steps[id] ?? { at: 'waiting' }, node) }] : [];
  });
  const isOver = rows.every(({ outcome }) => outcome.state !== 'waiting' && outcome.state !== 'working');
  const failed = rows.filter((row) => row.outcome.state === 'failed').map((row) => row.node);
  return (
    <Dialog
      title="Give the team a model"
      width={560}
      testId="give-model"
      onClose={closeDialog}
      footer={
        <>
          <span className="hint grow">{isOver ? '' : 'It goes on when you close this window.'}</span>
          <Button size="lg" look={isOver && failed.length === 0 ? 'primary' : 'line'} onClick={closeDialog}>
            {isOver ? 'Done' : 'Close'}
          </Button>
          {isOver && failed.length > 0 && (
            <Button size="lg" look="primary" disabled={!canWrite} onClick={() => start(failed, run.model)}>
              Retry {plural(failed.length, 'agent')}
            </Button>
          )}
        </>
      }
    >
      <p className="row switch-sum" role="status">
        {isOver && failed.length === 0 && <Icon of={Check} small />}
        {summarise(rows)}
      </p>
      <ul className="list switch-rows scroll" aria-label="Agents">
        {rows.map((row) => (
          <Progress key={row.node.id} {...row} />
        ))}
      </ul>
    </Dialog>
  );
}
