// `molecule pause|resume|restart|hibernate <workspace>`: putting a workspace away and taking it back.

import type { WorkspaceView } from '@molecule/contract';
import type { Command } from 'commander';
import { EXIT } from '../failure.ts';
import { plain, print, printJson, remark } from '../output.ts';
import { findNamedWorkspace } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

/** Stopping an agent takes up to half a minute, and a little until that is answered. */
const TIMEOUT_MS = 45_000;

interface Result {
  reply: Record<string, unknown>;
  /** One line for people. */
  says: string;
  /** Why it is not wholly done. */
  shortfall?: string;
}

type Act = (context: CommandContext, workspace: WorkspaceView) => Promise<Result>;

const below = (count: number) => (count > 1 ? `, and ${count - 1} under it` : '');

const pause: Act = async ({ client }, { id, name }) => {
  const reply = await client.pauseWorkspace({ params: { id }, timeoutMs: TIMEOUT_MS });
  const { paused_count: count, stop_failures: failures = 0 } = reply;
  return {
    reply,
    says: `${name} is paused${below(count)}; molecule resume takes it back`,
    ...(failures > 0 ? { shortfall: `${failures} of them could not be stopped yet; the platform goes on trying` } : {}),
  };
};

const resume: Act = async ({ client }, { id, name }) => {
  const reply = await client.resumeWorkspace({ params: { id }, timeoutMs: TIMEOUT_MS });
  return { reply, says: `${name} is starting${below(reply.resumed_count)}` };
};

const hibernate: Act = async ({ client, flags }, { id, name }) => {
  const query = flags.force === true ? { force: true } : {};
  const reply = await client.hibernateWorkspace({ params: { id }, query, timeoutMs: TIMEOUT_MS });
  return { reply, says: `${name} is asleep; a message or molecule restart wakes it` };
};

const restart: Act = async ({ client, flags }, { id, name }) => {
  const query = flags.reset === true ? { reset: true } : {};
  const reply = await client.restartWorkspace({ params: { id }, query, timeoutMs: TIMEOUT_MS });
  return { reply, says: `${name} is restarting` };
};

function perform(act: Act) {
  return async (context: CommandContext, [wanted = '']: string[]): Promise<void> => {
    const workspace = await findNamedWorkspace(context.client, wanted);
    const { reply, says, shortfall } = await act(context, workspace);
    if (shortfall) process.exitCode = EXIT.failed;
    if (context.json) printJson({ ok: !shortfall, workspace: { id: workspace.id, name: workspace.name }, ...reply });
    else print(plain(says));
    if (shortfall && !context.json) remark(plain(shortfall));
  };
}

interface Definition {
  name: string;
  description: string;
  /** Fields of the JSON document beside `ok` and `workspace`. */
  fields: string;
  act: Act;
  examples: [command: string, meaning: string][];
  done: string;
  failed: string;
}

function define({ name, description, fields, act, examples, done, failed }: Definition): Command {
  const command = defineCommand({
    name,
    description,
    json: `print one JSON document: {ok, workspace, ${fields}}`,
    act: perform(act),
  }).argument('<workspace>', 'name, id, or the beginning of either');
  return addHelp(command, {
    examples,
    exitCodes: [
      [0, done],
      [1, failed],
      [2, 'wrong usage, or no such workspace'],
      [3, 'no platform answers'],
    ],
  });
}

export function createLifecycleCommands(): Command[] {
  return [
    define({
      name: 'pause',
      description: 'stop a workspace and everything under it until it is resumed',
      fields: 'status, paused_count, stop_failures?',
      act: pause,
      examples: [['molecule pause "Engineering Lead"', 'and its whole team']],
      done: 'paused, and everything is stopped',
      failed: 'refused, paused already, or paused with something that could not be stopped yet',
    }),
    define({
      name: 'resume',
      description: 'start a paused workspace and everything paused under it',
      fields: 'status, resumed_count',
      act: resume,
      examples: [['molecule resume "Engineering Lead"', 'parents first']],
      done: 'starting; molecule status shows how far it is',
      failed: 'refused, not paused, or something above it is paused',
    }),
    define({
      name: 'hibernate',
      description: 'send an idle workspace to sleep; the next message wakes it',
      fields: 'status',
      act: hibernate,
      examples: [
        ['molecule hibernate writer', ''],
        ['molecule hibernate writer --force', 'from the middle of its tasks'],
      ],
      done: 'asleep',
      failed: 'refused, not online, at work, or it could not be stopped',
    }).option('--force', 'do not wait for its tasks'),
    define({
      name: 'restart',
      description: 'stop and start a workspace, or wake it',
      fields: 'status, config_dir, reset_session',
      act: restart,
      examples: [
        ['molecule restart writer', ''],
        ['molecule restart writer --reset', 'and forget what its framework keeps of conversations'],
      ],
      done: 'restarting; molecule status shows how far it is',
      failed: 'refused, paused, or going to sleep',
    }).option('--reset', 'forget the conversations that the framework of the agent keeps'),
  ];
}
