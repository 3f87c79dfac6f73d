// One request per route that would be carried out: what the authorization matrix and the bad-input suite start from.

import { paramsOf, ROUTES, type Route, type RouteName } from '@molecule/contract';

export const UNKNOWN_ID = '00000000-0000-4000-8000-000000000001';

export const ROWS = Object.entries(ROUTES) as [RouteName, Route][];

/** Whom a request is about, who sends it, and a third one. */
export interface Cast {
  id: string;
  callerId: string;
  otherId: string;
}

const template = { name: 'team', workspaces: [{ name: 'imported', external: true }] };

export const VALID_BODIES: Partial<Record<RouteName, (cast: Cast) => Record<string, unknown>>> = {
  createSession: () => ({ code: 'unknown' }),
  createOrgToken: () => ({ name: 'valid' }),
  createWorkspace: () => ({ name: 'valid', external: true }),
  patchWorkspace: () => ({ name: 'valid' }),
  restartWorkspace: () => ({}),
  bootstrapFailed: () => ({ error: 'valid', log_tail: 'valid' }),
  patchBudget: () => ({ budget_limit: 100 }),
  putModel: () => ({ model: 'openai:valid' }),
  patchConfig: () => ({ valid: 'yes' }),
  assignAgent: () => ({ model: 'openai:valid' }),
  replaceAgent: () => ({ model: 'openai:valid' }),
  moveAgent: ({ otherId }) => ({ target_workspace_id: otherId }),
  putViewport: () => ({ x: 1, y: 2, zoom: 3 }),
  register: ({ id }) => ({ id, agent_card: { name: 'valid' }, delivery_mode: 'poll' }),
  heartbeat: ({ id }) => ({ workspace_id: id, current_task: 'valid' }),
  updateCard: ({ id }) => ({ workspace_id: id, agent_card: { name: 'valid' } }),
  checkAccess: ({ callerId, otherId }) => ({ caller_id: callerId, target_id: otherId }),
  saveSecret: () => ({ key: 'VALID', value: 'x' }),
  putSecret: () => ({ key: 'VALID', value: 'x' }),
  saveGlobalSecret: () => ({ key: 'VALID', value: 'x' }),
  putGlobalSecret: () => ({ key: 'VALID', value: 'x' }),
  importOrg: () => ({ template }),
  putPluginAllowlist: () => ({ plugins: ['valid'], enabled_by: 'valid' }),
  importBundle: () => ({ name: 'valid', prompts: { 'config.yaml': 'runtime: external' } }),
  sendA2a: () => ({ method: 'message/send', params: { message: { parts: [{ kind: 'text', text: 'valid' }] } } }),
  delegate: ({ otherId }) => ({ target_id: otherId, task: 'valid' }),
  recordDelegation: ({ otherId }) => ({ target_id: otherId, task: 'valid', delegation_id: 'valid' }),
  updateDelegation: () => ({ status: 'completed' }),
  createSchedule: () => ({ cron_expr: '0 9 * * 1-5', prompt: 'valid' }),
  patchSchedule: () => ({ enabled: false }),
  // Refused before anybody is asked.
  discoverChats: ({ id }) => ({ channel_type: 'telegram', bot_token: 'valid', workspace_id: id }),
  createChannel: () => ({ channel_type: 'slack', config: { bot_token: 'xoxb-valid', channel_id: 'C1' } }),
  patchChannel: () => ({ enabled: false }),
  sendToChannel: () => ({ text: 'valid' }),
  receiveChannelWebhook: () => ({ type: 'event_callback' }),
  receiveGithubWebhook: () => ({ action: 'created' }),
  receiveGithubWebhookFor: () => ({ action: 'created' }),
  reportActivity: () => ({ activity_type: 'agent_log', summary: 'valid' }),
  notify: () => ({ message: 'valid' }),
  uploadChatFiles: () => ({}),
  putImagePin: () => ({ digest: `sha256:${'0'.repeat(64)}` }),
  replaceFiles: () => ({ files: { 'valid.md': 'valid' } }),
  writeFile: () => ({ content: 'valid' }),
};

export const VALID_QUERIES: Partial<Record<RouteName, Record<string, string>>> = {
  deleteWorkspace: { purge: 'true', confirm: 'true' },
  downloadChatFile: { path: '/workspace/valid.txt' },
};

/** Things inside a workspace that do not exist: a call that passes on finds nothing, and changes nothing. */
export const validParams = (id: string): Record<string, string> => ({
  id,
  tokenId: UNKNOWN_ID,
  queueId: UNKNOWN_ID,
  delegationId: UNKNOWN_ID,
  scheduleId: UNKNOWN_ID,
  channelId: UNKNOWN_ID,
  type: 'slack',
  fileId: UNKNOWN_ID,
  key: 'VALID',
  path: 'valid.md',
  template: 'echo',
});

export const takesBody = (route: Route): boolean => route.body !== undefined || route.rawBody === true;

/** What the two tables above must have; tests of both suites check it, so that a new route cannot be forgotten. */
export function findForgotten(): string[] {
  return ROWS.flatMap(([name, route]) => [
    ...((VALID_BODIES[name] !== undefined) === takesBody(route) ? [] : [`${name}: body`]),
    ...paramsOf(route.path)
      .filter((parameter) => !(parameter in validParams('')))
      .map((parameter) => `${name}: ${parameter}`),
  ]);
}
