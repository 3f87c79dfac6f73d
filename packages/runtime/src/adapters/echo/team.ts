// A lead at work by script: hands the task to every report at once, through the agent tools like any other agent, and puts the
// answers together as they come, in the order of the reports.

import { setTimeout as sleep } from 'node:timers/promises';
import { enumerate, findSummary, NOTICE, quoteTopic, summarize, toSection } from './voice.ts';

/** A team that was just imported comes online one after the other. */
const START_PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 500;
const READY = new Set(['online', 'degraded']);
const STARTING = 'provisioning';

interface Peer {
  id: string;
  name: string;
  status: string;
  relation: string;
}

interface Answer {
  ok?: boolean;
  status?: string;
  text?: string;
}

export interface TeamTask {
  name: string;
  /** What the reports are sent. */
  task: string;
  /** What a person reads of it. */
  topic: string;
  /** Runs an agent tool of this turn. */
  callTool(tool: string, input: Record<string, unknown>): Promise<unknown>;
  say(text: string): Promise<void>;
  signal: AbortSignal;
}

type CallTool = TeamTask['callTool'];

/** An answer that is no list is the platform's refusal: then there is nobody to ask. */
async function listReports(callTool: CallTool): Promise<Peer[]> {
  const peers = await callTool('list_peers', {});
  return Array.isArray(peers)
    ? (peers as Peer[])
        .filter(({ relation }) => relation === 'child')
        .sort((a, b) => a.name.localeCompare(b.name, 'en'))
    : [];
}

async function waitForReports(callTool: CallTool, signal: AbortSignal): Promise<Peer[]> {
  const until = performance.now() + START_PATIENCE_MS;
  for (;;) {
    const reports = await listReports(callTool);
    if (!reports.some(({ status }) => status === STARTING) || performance.now() > until) return reports;
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

function describeAnswer({ name }: Peer, answer: Answer): string {
  if (answer.ok === true && answer.status === 'completed')
    return toSection(answer.text ?? '', name) || `${name} said nothing.`;
  if (answer.status === 'running') return `${name} is still working; the answer follows when it is there.`;
  return `${name} could not answer.`;
}

function summarizeTeam(reports: readonly Peer[], answers: readonly Answer[]): string {
  const answered = reports.filter((_, index) => answers[index]?.status === 'completed').map(({ name }) => name);
  const missing = reports.filter(({ name }) => !answered.includes(name)).map(({ name }) => name);
  const count = `${answered.length} of ${reports.length} reports answered`;
  return `${count}${answered.length > 0 ? `: ${enumerate(answered)}` : ''}${missing.length > 0 ? `; without ${enumerate(missing)}` : ''}.`;
}

/** @returns false when nobody reports to this agent. */
export async function answerWithTeam({ name, task, topic, callTool, say, signal }: TeamTask): Promise<boolean> {
  const reports = await waitForReports(callTool, signal);
  if (reports.length === 0) return false;
  const asked = reports.filter(({ status }) => READY.has(status));
  const absent = reports.filter(({ status }) => !READY.has(status));
  const running = asked.map(
    (report) => callTool('delegate_task', { workspace_id: report.id, task }) as Promise<Answer>,
  );
  // One that ends early must not count as unhandled while an earlier section is written.
  for (const answer of running) answer.catch(() => undefined);

  await say(`${NOTICE}\n\n## ${name}\n\n`);
  if (asked.length > 0) await say(`I asked ${enumerate(asked.map((one) => one.name))}: ${quoteTopic(topic)}\n\n`);
  for (const { name: who, status } of absent) await say(`### ${who}\n\nNot available: ${who} is ${status}.\n\n`);
  const answers: Answer[] = [];
  for (const [index, report] of asked.entries()) {
    const answer = (await running[index]) ?? {};
    answers.push(answer);
    await say(`### ${report.name}\n\n${describeAnswer(report, answer)}\n\n`);
  }
  const points = asked.flatMap((report, index) => {
    const summary = findSummary(answers[index]?.text ?? '');
    return summary ? [`- **${report.name}**: ${summary}`] : [];
  });
  if (points.length > 0) await say(`### Together\n\n${points.join('\n')}\n\n`);
  await say(summarize(summarizeTeam([...asked, ...absent], answers)));
  return true;
}
