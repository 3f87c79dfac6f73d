// The first screen of an empty platform: a sample team in one click, or your own start. A model is an offer, never a wall.

import { useMutation, useQuery } from '@tanstack/react-query';
import { KeyRound, Plug, SquarePlus, Upload } from 'lucide-react';
import { api } from '../app/api.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { Button, Icon, plural, StatusGlyph, toast } from '../ui/index.ts';
import './panels.css';

const SAMPLE = 'sample-team';
const IMPORT_TIMEOUT_MS = 120_000;

function importTeam(dir: string) {
  return api.importOrg({ body: { dir }, timeoutMs: IMPORT_TIMEOUT_MS });
}

/** The team as it will stand on the canvas, in small. */
function Picture() {
  return (
    <div className="hero-pic" aria-hidden="true">
      <div className="hp team">
        <div className="hp-h">
          <StatusGlyph status="online" />
          <b className="grow">Chief of Staff</b>
          <span className="muted">5 sub</span>
        </div>
        <p>Splits a goal between two teams and collects the answers.</p>
        <div className="hp-grid">
          {[
            ['Engineering Lead', 'Plans and reviews'],
            ['Growth Lead', 'Positions and prices'],
            ['Backend Engineer', 'Answered in 4 s'],
            ['Market Analyst', 'Collecting sources'],
          ].map(([name, says]) => (
            <div className="hp" key={name}>
              <div className="hp-h">
                <StatusGlyph status="online" size={10} />
                <b>{name}</b>
              </div>
              <p>{says}</p>
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

export function EmptyState() {
  const info = useQuery({ queryKey: ['info'], queryFn: () => api.platformInfo() });
  const templates = useQuery({ queryKey: ['org-templates'], queryFn: () => api.listOrgTemplates() });
  const start = useMutation({
    mutationFn: importTeam,
    onSuccess: (result) => {
      if (result.error)
        toast.error(`The team is incomplete: ${result.error}`, { label: 'Retry', run: () => start.mutate(SAMPLE) });
    },
  });
  const hasModel = (info.data?.model_keys.length ?? 0) > 0;
  const others = (templates.data ?? []).filter((template) => template.dir !== SAMPLE);
  return (
    <main className="first scroll" id="main" tabIndex={-1}>
      <h1>Put a team of agents to work</h1>
      <p className="lead soft">Every agent gets a seat, a lead and a budget. You watch and steer from here.</p>
      <section className="hero" aria-label="Sample team">
        <div className="hero-text">
          <span className="tag st" data-status={hasModel ? 'online' : 'online'}>
            {hasModel ? 'Uses your model' : 'Works without an API key'}
          </span>
          <h2>Sample team</h2>
          <p className="soft">
            A chief of staff with two teams below. Ask the chief anything: it delegates, gathers the answers and
            reports, and you see every part at work.
          </p>
          <div className="hero-acts">
            <Button look="primary" size="lg" busy={start.isPending} onClick={() => start.mutate(SAMPLE)}>
              {start.isPending ? 'Starting the team' : 'Start a sample team'}
            </Button>
            <span className="muted">
              {hasModel ? 'Six agents. Delete them any time.' : 'Scripted until a model is connected.'}
            </span>
          </div>
          {start.isError && (
            <div className="note bad" role="alert">
              {start.error.message}
            </div>
          )}
        </div>
        <Picture />
      </section>
      {others.length > 0 && (
        <>
          <p className="h-label first-label">Templates</p>
          <div className="tpls">
            {others.slice(0, 6).map((template) => (
              <button
                key={template.dir}
                type="button"
                className="tpl"
                onClick={() => openDialog({ kind: 'import', dir: template.dir })}
              >
                <b>{template.name}</b>
                <p>{template.description || plural(template.workspaces, 'workspace')}</p>
              </button>
            ))}
          </div>
        </>
      )}
      <div className="ways">
        <button type="button" className="way" onClick={() => openDialog({ kind: 'create', name: 'My First Agent' })}>
          <Icon of={SquarePlus} />
          <span>
            <b>Blank agent</b>
            <span>Name it, pick a runtime</span>
          </span>
        </button>
        <button type="button" className="way" onClick={() => openDialog({ kind: 'import' })}>
          <Icon of={Upload} />
          <span>
            <b>Import an organisation</b>
            <span>From a template</span>
          </span>
        </button>
        <button type="button" className="way" onClick={() => openDialog({ kind: 'connect-model' })}>
          <Icon of={hasModel ? Plug : KeyRound} />
          <span>
            <b>{hasModel ? 'Model connected' : 'Connect a model'}</b>
            <span>{hasModel ? info.data?.model_keys.join(', ') : 'Optional: paste a key'}</span>
          </span>
        </button>
      </div>
    </main>
  );
}
