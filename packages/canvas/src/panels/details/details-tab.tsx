// Details of a workspace: identity, facts, budget, log, peers, and its end.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Copy, RotateCcw, Trash2 } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { api } from '../../app/api.ts';
import { restart } from '../../commands/index.ts';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { select, useConnection, useWorkspace, type WorkspaceNode, writeLocally } from '../../live/index.ts';
import {
  Button,
  formatCents,
  formatDuration,
  Icon,
  IconButton,
  RelativeTime,
  SelectField,
  Skeleton,
  StatusGlyph,
  statusLabel,
  TextArea,
  TextField,
  toast,
} from '../../ui/index.ts';

function Section({ title, action, children }: { title: string; action?: ReactNode; children: ReactNode }) {
  return (
    <section className="det-sec">
      <div className="row det-h">
        <h3 className="grow">{title}</h3>
        {action}
      </div>
      {children}
    </section>
  );
}

function Identity({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const [name, setName] = useState(node.name);
  const [role, setRole] = useState(node.role ?? '');
  const [tier, setTier] = useState(String(node.tier));
  useEffect(() => {
    setName(node.name);
    setRole(node.role ?? '');
    setTier(String(node.tier));
  }, [node.name, node.role, node.tier]);
  const dirty = name !== node.name || role !== (node.role ?? '') || tier !== String(node.tier);
  const save = useMutation({
    mutationFn: () => {
      const body = {
        ...(name !== node.name ? { name } : {}),
        ...(role !== (node.role ?? '') ? { role: role || null } : {}),
        ...(tier !== String(node.tier) ? { tier: Number(tier) } : {}),
      };
      return writeLocally(node.id, { name, role: role || null }, () =>
        api.patchWorkspace({ params: { id: node.id }, body }),
      );
    },
    onSuccess: () => toast.success(tier !== String(node.tier) ? 'Saved. A restart applies the tier.' : 'Saved'),
  });
  const field = (save.error as { body?: { field?: string } } | null)?.body?.field;
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
      <SelectField label="Tier" value={tier} error={errorOf('tier')} onChange={(event) => setTier(event.target.value)}>
        <option value="1">T1 · sandboxed</option>
        <option value="2">T2 · standard</option>
        <option value="3">T3 · privileged</option>
        <option value="4">T4 · full access</option>
      </SelectField>
      {save.error && !field && <div className="note bad">{save.error.message}</div>}
      {dirty && (
        <div className="row det-acts">
          <Button
            look="primary"
            busy={save.isPending}
            disabled={!canWrite || name.trim() === ''}
            title={canWrite ? undefined : 'The platform cannot be reached'}
            onClick={() => save.mutate()}
          >
            Save
          </Button>
        </div>
      )}
    </Section>
  );
}

function Facts({ node }: { node: WorkspaceNode }) {
  const parent = useWorkspace(node.parent_id);
  const rows: [string, ReactNode][] = [
    [
      'Status',
      <>
        {statusLabel(node.status)}, since <RelativeTime at={node.status_changed_at} ago={false} />
      </>,
    ],
    [
      'Reports to',
      parent ? (
        <button type="button" className="link" onClick={() => select(parent.id)}>
          {parent.name}
        </button>
      ) : (
        'Nobody: a root'
      ),
    ],
    ['Runtime', <span className="mono">{node.runtime}</span>],
    ['Delivery', node.delivery_mode ?? 'undeclared'],
    ['Address', node.url ? <span className="mono">{node.url}</span> : 'none'],
    ['Last heartbeat', node.last_heartbeat_at ? <RelativeTime at={node.last_heartbeat_at} /> : 'never'],
    ['Tasks', `${node.active_tasks} of ${node.max_concurrent_tasks}`],
    ['Error rate', `${Math.round(node.last_error_rate * 100)} %`],
    ['Uptime', formatDuration(node.uptime_seconds * 1000)],
    [
      'Id',
      <span className="row id-line">
        <span className="mono clip">{node.id}</span>
        <IconButton small label="Copy the id" onClick={() => void navigator.clipboard.writeText(node.id)}>
          <Icon of={Copy} small />
        </IconButton>
      </span>,
    ],
  ];
  const canRestart = node.runtime !== 'external' && node.status !== 'paused';
  return (
    <Section
      title="Facts"
      action={
        canRestart && (
          <Button size="sm" look="line" onClick={() => restart(node)}>
            <Icon of={RotateCcw} small /> {node.status === 'failed' ? 'Retry' : 'Restart'}
          </Button>
        )
      }
    >
      <dl className="kv">
        {rows.map(([label, value]) => (
          <div key={label} className="kv-row">
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}

function Budget({ node }: { node: WorkspaceNode }) {
  const client = useQueryClient();
  const budget = useQuery({ queryKey: ['budget', node.id], queryFn: () => api.getBudget({ params: { id: node.id } }) });
  const [text, setText] = useState('');
  useEffect(() => {
    if (budget.data) setText(budget.data.budget_limit === null ? '' : (budget.data.budget_limit / 100).toFixed(2));
  }, [budget.data]);
  const cents = text.trim() === '' ? null : Math.round(Number(text) * 100);
  const invalid = cents !== null && (!Number.isFinite(cents) || cents < 0);
  const save = useMutation({
    mutationFn: () => api.patchBudget({ params: { id: node.id }, body: { budget_limit: cents } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['budget', node.id] }),
  });
  if (!budget.data)
    return (
      <Section title="Budget">
        {budget.isError ? <div className="note bad">{budget.error.message}</div> : <Skeleton width="60%" />}
      </Section>
    );
  const { budget_limit: limit, monthly_spend: spend } = budget.data;
  const share = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, spend / limit);
  return (
    <Section title="Budget">
      <p className="soft">
        {formatCents(spend)} spent this month{limit === null ? ', no limit' : ` of ${formatCents(limit)}`}.
      </p>
      {limit !== null && (
        <div
          className="meter"
          data-level={share >= 1 ? 'over' : share >= 0.8 ? 'high' : 'fine'}
          role="img"
          aria-label={`${Math.round(share * 100)} % used`}
        >
          <i style={{ width: `${share * 100}%` }} />
        </div>
      )}
      {share >= 1 && <div className="note bad">The limit is reached: calls are refused until it is raised.</div>}
      <div className="row det-acts">
        <TextField
          bare
          label="Monthly limit in dollars"
          inputMode="decimal"
          placeholder="No limit"
          before={<span className="muted">$</span>}
          value={text}
          error={invalid ? 'An amount, or nothing for no limit' : null}
          onChange={(event) => setText(event.target.value)}
        />
        <Button
          look="line"
          size="lg"
          busy={save.isPending}
          disabled={invalid || cents === limit}
          onClick={() => save.mutate()}
        >
          Set limit
        </Button>
      </div>
      <p className="hint">Empty means no limit. 0 blocks every call.</p>
    </Section>
  );
}

function Log({ node }: { node: WorkspaceNode }) {
  const [open, setOpen] = useState(node.status === 'failed');
  const log = useQuery({
    queryKey: ['logs', node.id, node.status],
    enabled: open,
    retry: false,
    queryFn: () => api.getWorkspaceLogs({ params: { id: node.id }, query: { lines: 200 } }),
  });
  if (node.runtime === 'external') return null;
  return (
    <Section
      title="Log"
      action={
        <Button size="sm" onClick={() => (open ? void log.refetch() : setOpen(true))}>
          {open ? 'Refresh' : 'Show'}
        </Button>
      }
    >
      {open && log.isPending && <Skeleton width="80%" />}
      {log.isError && <p className="hint">{log.error.message}</p>}
      {log.data && (
        <pre className="code log-code">
          {log.data.lines.length > 0 ? log.data.lines.join('\n') : 'Nothing written yet.'}
        </pre>
      )}
    </Section>
  );
}

function Peers({ node }: { node: WorkspaceNode }) {
  const reachable = node.status === 'online' || node.status === 'degraded';
  const peers = useQuery({
    queryKey: ['peers', node.id],
    enabled: reachable,
    queryFn: () => api.listPeers({ params: { id: node.id } }),
  });
  if (!reachable || !peers.data?.length) return null;
  return (
    <Section title="Can talk to">
      <ul className="peers">
        {peers.data.map((peer) => (
          <li key={peer.id}>
            <button type="button" className="tag line" onClick={() => select(peer.id)}>
              <StatusGlyph status={peer.status} size={10} /> {peer.name}
            </button>
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function DetailsTab({ node }: { node: WorkspaceNode }) {
  return (
    <div className="det-tab scroll">
      <Identity node={node} />
      <Facts node={node} />
      <Budget node={node} />
      <Log key={node.id} node={node} />
      <Peers node={node} />
      <Section title="Danger">
        <div className="row det-acts">
          <p className="grow soft">Deleting stops the agent and ends its tokens.</p>
          <Button look="danger" onClick={() => openDialog({ kind: 'delete', id: node.id })}>
            <Icon of={Trash2} small /> Delete…
          </Button>
        </div>
      </Section>
    </div>
  );
}
