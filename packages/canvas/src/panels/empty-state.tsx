// The first screen of an empty platform: a sample team in one click, or your own start. A model is an offer, never a wall.

import { useMutation, useQuery } from '@tanstack/react-query';
import { Plug, SquarePlus, Upload } from 'lucide-react';
import { api } from '../app/api.ts';
import { useInfo } from '../app/use-info.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { select, useConnection } from '../live/index.ts';
import { Button, Icon, plural, StatusGlyph, toast } from '../ui/index.ts';
import './empty-state.css';

const SAMPLE = 'sample-team';
const MOST_TEMPLATES = 6;
const IMPORT_TIMEOUT_MS = 120_000;

function useSampleTeam() {
  const start = useMutation({
    mutationFn: () => api.importOrg({ body: { dir: SAMPLE }, timeoutMs: IMPORT_TIMEOUT_MS }),
    onSuccess: (report) => {
      const [lead] = report.workspaces;
      if (lead) select(lead.id, 'chat');
      if (report.error)
        toast.error(`The team is incomplete: ${report.error}`, { label: 'Retry', run: () => start.mutate() });
    },
  });
  return start;
}

function SmallCard({ name, says }: { name: string; says: string }) {
  return (
    <div className="hp">
      <div className="hp-h">
        <StatusGlyph status="online" size={10} />
        <b>{name}</b>
      </div>
      <p>{says}</p>
    </div>
  );
}

/** The team as it will stand on the canvas, in small. */
function Picture() {
  return (
    <div className="hero-pic" aria-hidden="true">
      <div className="hp team">
        <div className="hp-h">
          <StatusGlyph status="online" />
          <b className="grow">Chief of Staff</b>
          <span className="muted num">5 sub</span>
        </div>
        <p>Splits a goal between two teams and collects the answers.</p>
        <div className="hp-grid">
          <SmallCard name="Engineering Lead" says="Asks the backend and QA" />
          <SmallCard name="Growth Lead" says="Waits for the analyst" />
          <SmallCard name="Backend Engineer" says="Answered in 4 s" />
          <SmallCard name="Market Analyst" says="Collecting sources" />
        </div>
        <svg className="edges hp-edges" width="356" height="172" aria-hidden="true">
          <path className="edge live" d="M99 46V58" />
          <circle className="edge-end live" cx="99" cy="58" r="3" />
          <path className="edge live" d="M282 46V58" />
          <circle className="edge-end live" cx="282" cy="58" r="3" />
          <path className="edge" d="M99 110V122" />
          <circle className="edge-end" cx="99" cy="122" r="3" />
          <path className="edge" d="M282 110V122" />
          <circle className="edge-end" cx="282" cy="122" r="3" />
        </svg>
      </div>
    </div>
  );
}

function Hero() {
  const start = useSampleTeam();
  const { canWrite } = useConnection();
  const info = useInfo();
  const keys = info.data?.model_keys ?? [];
  return (
    <section className="hero" aria-label="Sample team">
      <div className="hero-text">
        <span className="tag st" data-status="online">
          {keys.length > 0 ? `Uses ${keys[0]}` : 'Works without an API key'}
        </span>
        <h2>Sample team</h2>
        <p className="soft">
          A chief of staff with two teams below. Ask the chief anything: it delegates, gathers the answers and reports,
          and you see every part at work.
        </p>
        <div className="hero-acts">
          <Button
            look="primary"
            size="lg"
            busy={start.isPending}
            disabled={!canWrite}
            title={canWrite ? undefined : 'The platform is out of reach'}
            onClick={() => start.mutate()}
          >
            {start.isPending ? 'Starting the team' : 'Start a sample team'}
          </Button>
          {keys.length > 0 ? (
            <span className="hint">Six agents. Delete them any time.</span>
          ) : (
            <span className="hint">
              Scripted for now.{' '}
              <button type="button" className="link" onClick={() => openDialog({ kind: 'connect-model' })}>
                Connect a model
              </button>
            </span>
          )}
        </div>
        {start.isError && (
          <div className="note bad" role="alert">
            <span>The team could not be started: {start.error.message}</span>
          </div>
        )}
      </div>
      <Picture />
    </section>
  );
}

/** Templates beside the sample team; nothing is drawn where none is installed. */
function Templates() {
  const templates = useQuery({ queryKey: ['org-templates'], queryFn: () => api.listOrgTemplates() });
  const others = (templates.data ?? []).filter((template) => template.dir !== SAMPLE);
  if (others.length === 0) return null;
  return (
    <>
      <div className="row first-label">
        <h2 className="h-label grow">Templates</h2>
        {others.length > MOST_TEMPLATES && (
          <button type="button" className="link" onClick={() => openDialog({ kind: 'import' })}>
            All {others.length} templates
          </button>
        )}
      </div>
      <div className="tpls">
        {others.slice(0, MOST_TEMPLATES).map((template) => (
          <button
            key={template.dir}
            type="button"
            className="tpl"
            onClick={() => openDialog({ kind: 'import', dir: template.dir })}
          >
            <b>{template.name}</b>
            <span>{template.description || plural(template.workspaces, 'workspace')}</span>
          </button>
        ))}
      </div>
    </>
  );
}

const WAYS = [
  {
    icon: SquarePlus,
    title: 'Blank agent',
    hint: 'Name it, pick a runtime',
    open: () => openDialog({ kind: 'create', name: 'My First Agent' }),
  },
  {
    icon: Upload,
    title: 'Import an organisation',
    hint: 'From a template',
    open: () => openDialog({ kind: 'import' }),
  },
  {
    icon: Plug,
    title: 'Connect an agent',
    hint: 'One that already runs elsewhere',
    open: () => openDialog({ kind: 'create', external: true }),
  },
];

export function EmptyState() {
  return (
    <main className="first-screen scroll" id="main" tabIndex={-1}>
      <div className="first" data-testid="empty-state">
        <h1>Put a team of agents to work</h1>
        <p className="lead soft">Every agent gets a seat, a lead and a budget. You watch and steer from here.</p>
        <Hero />
        <Templates />
        <div className="ways">
          {WAYS.map((way) => (
            <button key={way.title} type="button" className="way" onClick={way.open}>
              <Icon of={way.icon} />
              <span>
                <b>{way.title}</b>
                <span>{way.hint}</span>
              </span>
            </button>
          ))}
        </div>
      </div>
    </main>
  );
}
