// What an event of GitHub means here (chapter 20 §10): somebody is told, schedules are due, or nothing. Pure.

/** Of a title or a name; a comment goes whole. */
const MOST_TITLE = 300;
/** A workflow that ended so broke nothing. */
const HARMLESS = new Set(['success', 'skipped', 'neutral']);

type Json = Record<string, unknown>;

export type GithubAction =
  | { kind: 'tell'; action: string; text: string; number: number | null; url: string | null }
  /** Schedules whose names contain one of these are due. */
  | { kind: 'trigger'; action: string; words: readonly string[] }
  | { kind: 'ignore'; reason: string };

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const at = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((inner, key) => (isJson(inner) ? inner[key] : undefined), value);
const textAt = (value: unknown, ...path: string[]): string => {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : '';
};
const numberAt = (value: unknown, ...path: string[]): number | null => {
  const found = at(value, ...path);
  return typeof found === 'number' ? found : null;
};

export const repositoryOf = (payload: unknown): string => textAt(payload, 'repository', 'full_name');
export const senderOf = (payload: unknown): string => textAt(payload, 'sender', 'login');

function describeComment(payload: Json, subject: unknown, what: string): GithubAction {
  const number = numberAt(subject, 'number');
  const url = textAt(payload, 'comment', 'html_url');
  const title = textAt(subject, 'title').slice(0, MOST_TITLE);
  const path = textAt(payload, 'comment', 'path');
  const line = numberAt(payload, 'comment', 'line');
  const place = path === '' ? '' : ` (${path}${line === null ? '' : `:${line}`})`;
  const who = textAt(payload, 'comment', 'user', 'login') || senderOf(payload);
  const head = `${who} commented on ${what} ${repositoryOf(payload)}#${number ?? '?'}${title ? ` “${title}”` : ''}${place}:`;
  const text = [head, textAt(payload, 'comment', 'body'), url].filter(Boolean).join('\n\n');
  return { kind: 'tell', action: 'created', text, number, url: url || null };
}

function describeRun(payload: Json): GithubAction {
  const run = payload.workflow_run;
  const conclusion = textAt(run, 'conclusion');
  if (HARMLESS.has(conclusion)) return { kind: 'ignore', reason: `workflow_run ended with ${conclusion}` };
  const url = textAt(run, 'html_url');
  const name = (textAt(run, 'name') || textAt(payload, 'workflow', 'name')).slice(0, MOST_TITLE);
  const facts = [
    `CI broke in ${repositoryOf(payload)}: workflow “${name}” ended with ${conclusion || 'no conclusion'}.`,
    `Branch ${textAt(run, 'head_branch') || '?'}, commit ${textAt(run, 'head_sha') || '?'}`,
    textAt(run, 'head_commit', 'message').slice(0, MOST_TITLE),
    url,
  ];
  return {
    kind: 'tell',
    action: 'completed',
    text: facts.filter(Boolean).join('\n\n'),
    number: numberAt(run, 'run_number'),
    url: url || null,
  };
}

/** @param event as `X-GitHub-Event` says. */
export function readGithubEvent(event: string, payload: Json): GithubAction {
  const action = textAt(payload, 'action');
  switch (`${event} ${action}`) {
    case 'issue_comment created':
      return describeComment(payload, payload.issue, at(payload, 'issue', 'pull_request') ? 'pull request' : 'issue');
    case 'pull_request_review_comment created':
      return describeComment(payload, payload.pull_request, 'pull request');
    case 'workflow_run completed':
      return describeRun(payload);
    case 'issues opened':
      return { kind: 'trigger', action, words: ['pick-up-work'] };
    case 'pull_request_review submitted':
      return { kind: 'trigger', action, words: ['pr review', 'security review'] };
    default:
      return {
        kind: 'ignore',
        reason: `nothing is done for ${event}${action ? ` ${action}` : ''}`.slice(0, MOST_TITLE),
      };
  }
}
