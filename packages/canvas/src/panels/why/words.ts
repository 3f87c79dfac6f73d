// The answer to "why is it stuck" in words and figures: evidence of a cause, the time axis, a report to paste. Pure.

import type { WhyAction, WhyFigures, WhyHop, WhyReply } from '@molecule/contract';
import { formatCents, formatDuration, formatTime, plural } from '../../ui/format.ts';

const until = (at: string, nowMs: number) => formatDuration(Math.max(0, Date.parse(at) - nowMs));

/** Figures as short facts, the weightiest first. The error has a line of its own. */
export function listFacts(figures: WhyFigures, nowMs: number): string[] {
  const facts: (string | false | undefined)[] = [
    figures.error_rate !== undefined && `${Math.round(figures.error_rate * 100)} % of its calls fail`,
    figures.monthly_spend !== undefined &&
      (figures.budget_limit == null
        ? `${formatCents(figures.monthly_spend)} this month`
        : `${formatCents(figures.monthly_spend)} of ${formatCents(figures.budget_limit)}`),
    figures.attempts !== undefined &&
      figures.attempts > 0 &&
      (figures.most_attempts === undefined
        ? plural(figures.attempts, 'attempt')
        : `attempt ${figures.attempts} of ${figures.most_attempts}`),
    figures.next_attempt_at !== undefined && `next attempt in ${until(figures.next_attempt_at, nowMs)}`,
    figures.retry_at !== undefined && `tries again in ${until(figures.retry_at, nowMs)}`,
    figures.lease_until !== undefined && `held for ${until(figures.lease_until, nowMs)} more`,
    figures.active_tasks !== undefined &&
      `${figures.active_tasks}${figures.max_concurrent_tasks === undefined ? '' : `/${figures.max_concurrent_tasks}`} tasks`,
    figures.queue_depth !== undefined && figures.queue_depth > 0 && `${figures.queue_depth} queued`,
    figures.heartbeat_age_seconds !== undefined &&
      `heartbeat ${formatDuration(figures.heartbeat_age_seconds * 1000)} ago`,
    figures.paused_ancestor && `${figures.paused_ancestor.name} above it is paused`,
    figures.backend,
    figures.path?.map((one) => one.name).join(' → '),
  ];
  return facts.filter((fact): fact is string => typeof fact === 'string' && fact !== '');
}

export interface Lane {
  hop: WhyHop;
  /** Where its bar begins, 0…100 of the axis. */
  left: number;
}

export interface Axis {
  fromMs: number;
  toMs: number;
  lanes: Lane[];
}

const LEAST_SPAN_MS = 60_000;
/** Room before the first bar, so that its beginning is seen. */
const LEAD = 0.03;

/** Null when fewer than two hops have a time: one bar says nothing. */
export function drawAxis(chain: readonly WhyHop[], nowMs: number): Axis | null {
  const timed = chain.filter((hop) => hop.since !== null);
  if (timed.length < 2) return null;
  const first = Math.min(...timed.map((hop) => Date.parse(hop.since ?? '')));
  const span = Math.max(LEAST_SPAN_MS, nowMs - first) * (1 + LEAD);
  const fromMs = nowMs - span;
  const lanes = timed.map((hop) => ({
    hop,
    left: Math.min(99, Math.max(0, ((Date.parse(hop.since ?? '') - fromMs) / span) * 100)),
  }));
  return { fromMs, toMs: nowMs, lanes };
}

export const ACTION_WORDS: Record<WhyAction, string> = {
  restart: 'Restart',
  resume: 'Resume',
  retry: 'Retry',
  wake: 'Wake',
  raise_budget: 'Raise the limit',
  connect: 'Connect…',
  cancel: 'Cancel…',
  open: 'Open',
  show_errors: 'Show errors',
  answer: 'Answer',
  wait: '',
};

/** Plain text for an issue or a colleague. */
export function toReport(why: WhyReply, nowMs: number): string {
  const hops = why.chain.flatMap((hop, index) => [
    `${index + 1}. ${hop.name} ${hop.says}`,
    ...(hop.text ? [`   “${hop.text}”`] : []),
    ...(hop.figures.error ? [`   ${hop.figures.error}`] : []),
    ...[hop.since ? `since ${hop.since}` : '', ...listFacts(hop.figures, nowMs)]
      .filter((fact) => fact !== '')
      .map((fact) => `   ${fact}`),
  ]);
  const behind = why.behind.items.map((item) => `- ${item.name}: “${item.text}”, since ${item.since}`);
  const comes = [why.next, why.gives_up].flatMap((one) => (one ? [`- ${one.says} (${one.at})`] : []));
  const section = (title: string, lines: string[]) => (lines.length > 0 ? ['', title, ...lines] : []);
  return [
    why.summary,
    `As of ${why.as_of} (${formatTime(why.as_of)})`,
    '',
    ...hops,
    ...section('Waiting behind it', behind),
    ...section(
      'Checked, not the cause',
      why.checked.map((one) => `- ${one.says}`),
    ),
    ...section('What comes by itself', comes),
  ].join('\n');
}
