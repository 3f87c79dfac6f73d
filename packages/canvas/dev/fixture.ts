// Fixture data of the stub platform: the sample organisation of the design reference. Development only.

import type { WorkspaceView } from '@molecule/contract';

const MINUTE_MS = 60_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();

export const seatId = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;

interface Seed extends Partial<WorkspaceView> {
  name: string;
  skills?: string[];
}

const SEEDS: Record<string, Seed & { parent?: string }> = {
  chief: {
    name: 'Chief of Staff',
    role: 'Turns goals into work for two teams, reports to people every morning.',
    tier: 2,
    skills: ['planning', 'reporting', 'routing'],
    current_task: 'Collecting launch readiness',
    active_tasks: 1,
    max_concurrent_tasks: 2,
    monthly_spend: 1820,
    x: 60,
    y: 60,
  },
  eng: {
    name: 'Engineering Lead',
    parent: 'chief',
    role: 'Plans the build, splits work, reviews every result before it leaves the team.',
    tier: 3,
    skills: ['planning', 'code-review', 'git', 'estimates', 'hiring', 'writing'],
    current_task: 'Launch readiness: 2 of 4 answers in',
    active_tasks: 2,
    max_concurrent_tasks: 4,
    monthly_spend: 4120,
    budget_limit: 6000,
    x: 76,
    y: 190,
  },
  be: {
    name: 'Backend Engineer',
    parent: 'eng',
    role: 'Services, data and migrations.',
    tier: 3,
    skills: ['api', 'sql', 'queues', 'go', 'perf', 'ops'],
    current_task: 'Backfilling the usage ledger, 62 %',
    active_tasks: 1,
    max_concurrent_tasks: 2,
    monthly_spend: 1234,
    budget_limit: 3000,
    x: 92,
    y: 320,
  },
  fe: {
    name: 'Frontend Engineer',
    parent: 'eng',
    role: 'Plan picker, usage meter, the billing screens.',
    tier: 3,
    runtime: 'codex',
    status: 'degraded',
    skills: ['react', 'a11y', 'css', 'figma'],
    last_sample_error: '529 overloaded, 14 of 20 calls',
    active_tasks: 1,
    queue_depth: 1,
    monthly_spend: 980,
    x: 346,
    y: 320,
  },
  qa: {
    name: 'QA Engineer',
    parent: 'eng',
    role: 'Regression runs and release evidence. Starts from the last green build.',
    tier: 2,
    runtime: 'langgraph',
    status: 'provisioning',
    skills: ['playwright', 'fuzz'],
    status_changed_at: ago(42_000),
    x: 92,
    y: 464,
  },
  re: {
    name: 'Release Engineer',
    parent: 'eng',
    role: 'Cuts releases, owns the changelog and the rollback plan.',
    tier: 4,
    skills: ['git', 'deploy', 'notes', 'signing'],
    queue_depth: 2,
    monthly_spend: 310,
    x: 346,
    y: 464,
  },
  gro: {
    name: 'Growth Lead',
    parent: 'chief',
    role: 'Positioning, pricing page, launch notes.',
    tier: 2,
    runtime: 'langgraph',
    skills: ['pricing', 'copy', 'research'],
    max_concurrent_tasks: 2,
    monthly_spend: 602,
    x: 616,
    y: 190,
  },
  an: {
    name: 'Market Analyst',
    parent: 'gro',
    role: 'Watches competitors and answers pricing questions with sources.',
    tier: 1,
    runtime: 'hermes',
    status: 'hibernated',
    skills: ['search', 'tables', 'sources'],
    x: 632,
    y: 320,
  },
  cw: {
    name: 'Copywriter',
    parent: 'gro',
    role: 'Launch notes, help pages, in-product words.',
    tier: 1,
    runtime: 'langgraph',
    status: 'failed',
    skills: ['style-guide', 'edit'],
    last_sample_error: 'ANTHROPIC_API_KEY is not set',
    x: 886,
    y: 320,
  },
  lap: {
    name: 'Design laptop',
    role: 'Reviews design files locally, answers when the lid is open.',
    tier: 2,
    runtime: 'external',
    status: 'awaiting_agent',
    delivery_mode: 'poll',
    x: 76,
    y: 680,
  },
};

const KEYS = Object.keys(SEEDS);
export const idOf = (key: string) => seatId(KEYS.indexOf(key) + 1);

export function buildWorkspace(id: string, seed: Seed, parentId: string | null): WorkspaceView {
  const { skills = [], ...fields } = seed;
  const now = ago(0);
  return {
    id,
    role: null,
    tier: 3,
    runtime: 'claude-code',
    status: 'online',
    parent_id: parentId,
    forwarded_to: null,
    url: null,
    url_source: null,
    delivery_mode: 'push',
    agent_card: {
      name: seed.name,
      skills: skills.map((name) => ({ id: name, name })),
      capabilities: { streaming: true },
    },
    last_heartbeat_at: now,
    last_error_rate: 0,
    last_sample_error: null,
    active_tasks: 0,
    uptime_seconds: 3600,
    current_task: '',
    max_concurrent_tasks: 1,
    budget_limit: null,
    monthly_spend: 0,
    hibernation_idle_minutes: null,
    idle_since: null,
    last_outbound_at: null,
    workspace_dir: null,
    workspace_access: 'none',
    awareness_namespace: `workspace:${id}`,
    instance_id: null,
    runtime_image_digest: null,
    source_bundle_id: null,
    status_changed_at: now,
    needs_restart: false,
    runtime_version: null,
    runtime_metadata: {},
    x: 0,
    y: 0,
    collapsed: false,
    queue_depth: 0,
    created_at: now,
    updated_at: now,
    ...fields,
  };
}

export function buildOrganisation(): WorkspaceView[] {
  return KEYS.map((key) => {
    const { parent, ...seed } = SEEDS[key] as Seed & { parent?: string };
    return buildWorkspace(idOf(key), seed, parent ? idOf(parent) : null);
  });
}

const LONG = 'Principal engineer for everything that has a very long name and then some more of it '.repeat(3);

/** What must not break a layout: the longest texts, no texts, many skills, other scripts, markup as text, money. */
export function buildExtremes(): WorkspaceView[] {
  const markup = '<img src=x onerror=alert(1)>';
  const seeds: Seed[] = [
    { name: LONG.slice(0, 255), role: LONG.slice(0, 255), skills: Array.from({ length: 40 }, (_, n) => `skill-${n}`) },
    { name: 'A', role: null },
    {
      name: '市场分析师',
      role: '关注竞争对手，并用来源回答定价问题。',
      skills: ['搜索', '表格'],
      current_task: '正在收集资料',
    },
    { name: markup, role: markup, status: 'degraded', last_sample_error: markup },
    { name: 'Over budget', budget_limit: 1000, monthly_spend: 1200, role: 'Refused until the limit is raised.' },
    { name: 'Nearly', budget_limit: 1000, monthly_spend: 850, role: 'At 85 % of its limit.', queue_depth: 12 },
    { name: 'Needs restart', needs_restart: true, role: 'Changed since it started.' },
    { name: 'Failed', status: 'failed', last_sample_error: LONG.repeat(3) },
  ];
  return seeds.map((seed, index) => ({
    ...buildWorkspace(seatId(300 + index), seed, index > 5 ? seatId(301) : null),
    x: index > 5 ? 0 : 60 + (index % 3) * 280,
    y: index > 5 ? 0 : 90 + Math.floor(index / 3) * 330,
  }));
}

/** One card per status, for the sheet of all of them. */
export function buildEveryStatus(): WorkspaceView[] {
  const statuses = [
    'online',
    'provisioning',
    'degraded',
    'offline',
    'failed',
    'awaiting_agent',
    'paused',
    'hibernating',
    'hibernated',
    'draining',
  ];
  return statuses.map((status, index) => ({
    ...buildWorkspace(
      seatId(100 + index),
      {
        name: status === 'draining' ? 'Unknown status' : 'Backend Engineer',
        role: 'Services, data and migrations.',
        skills: ['api', 'sql', 'queues', 'go', 'perf', 'ops'],
        max_concurrent_tasks: 2,
        monthly_spend: 1234,
        last_sample_error: status === 'degraded' ? '529 overloaded, 14 of 20 calls' : null,
        current_task: status === 'online' ? 'Backfilling the usage ledger, 62 %' : '',
        status,
      },
      null,
    ),
    x: 60 + (index % 3) * 254,
    y: 90 + Math.floor(index / 3) * 144,
  }));
}

interface CallSeed {
  from: string;
  to: string;
  count: number;
  failed?: number;
  minutesAgo: number;
}
const CALLS: CallSeed[] = [
  { from: 'chief', to: 'eng', count: 4, minutesAgo: 0 },
  { from: 'eng', to: 'be', count: 7, minutesAgo: 0 },
  { from: 'eng', to: 'fe', count: 6, failed: 3, minutesAgo: 1 },
  { from: 'be', to: 're', count: 3, minutesAgo: 22 },
  { from: 'eng', to: 'gro', count: 2, minutesAgo: 18 },
  { from: 'gro', to: 'an', count: 1, minutesAgo: 41 },
];

export function listCalls(workspaceId: string): Record<string, unknown>[] {
  return CALLS.filter((call) => idOf(call.from) === workspaceId).flatMap((call) =>
    Array.from({ length: call.count }, (_, index) => ({
      id: seatId(10_000 + CALLS.indexOf(call) * 100 + index),
      workspace_id: workspaceId,
      activity_type: 'delegation',
      source_id: workspaceId,
      target_id: idOf(call.to),
      method: 'delegate',
      summary: 'Delegated',
      duration_ms: null,
      status: index < (call.failed ?? 0) ? 'error' : 'ok',
      error_detail: null,
      created_at: ago(call.minutesAgo * MINUTE_MS + index * 1000),
    })),
  );
}
