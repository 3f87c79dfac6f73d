// Which of our containers ended by themselves, from the engine's event stream (chapter 10 §7.5). The engine restarts them by
// their policy, so that agents come back with the machine; while a platform watches, it alone decides about a restart: the
// first end of a container is its last, the log stays until the next start.

import { PassThrough } from 'node:stream';
import type Dockerode from 'dockerode';
import type { Logger } from '../../../platform/log.ts';
import type { WorkloadExit } from '../../backend.ts';
import { explainExit } from '../process-log.ts';
import { MANAGED_LABEL, TIER_LABEL, WORKSPACE_LABEL } from '../workload-names.ts';
import { isNotFound } from './engine-errors.ts';

const REASON_LINES = 200;
const KILLED = 137;
const SIGNAL_BASE = 128;
const SIGNALS: Readonly<Record<number, string>> = { 6: 'SIGABRT', 9: 'SIGKILL', 11: 'SIGSEGV', 15: 'SIGTERM' };
const ACTIONS = ['die', 'oom'];
/** Ends already told, by container; each start makes a new one, so the set may forget old ones. */
const MOST_REMEMBERED = 10_000;

interface EngineEvent {
  Action: string;
  time: number;
  timeNano: number;
  Actor: { ID: string; Attributes: Record<string, string> };
}

export interface ExitWatchOptions {
  engine: Dockerode;
  log: Logger;
  onExit(exit: WorkloadExit): void;
}

/** Both outputs of a container as lines, oldest first. */
export async function readLogLines(container: Dockerode.Container, lines: number, until?: number): Promise<string[]> {
  const raw = (await container.logs({
    stdout: true,
    stderr: true,
    tail: lines,
    ...(until === undefined ? {} : { until }),
    follow: false,
  })) as unknown as Buffer;
  const output = new PassThrough();
  const chunks: Buffer[] = [];
  output.on('data', (chunk: Buffer) => chunks.push(chunk));
  const source = new PassThrough();
  const done = new Promise((resolve) => source.once('end', resolve));
  container.modem.demuxStream(source, output, output);
  source.end(raw);
  await done;
  return Buffer.concat(chunks)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}

function describe(code: number): { code: number | null; signal: string | null } {
  const signal = SIGNALS[code - SIGNAL_BASE];
  return signal ? { code: null, signal } : { code, signal: null };
}

export function createExitWatch({ engine, log, onExit }: ExitWatchOptions) {
  const outOfMemory = new Set<string>();
  const told = new Set<string>();
  let stream: NodeJS.ReadableStream | null = null;
  let connecting = false;
  let closed = false;
  /** In the engine's own seconds: after a break the stream repeats from here what was missed. */
  let seenUntil: number | null = null;

  /** True when somebody asked for the end: a force-remove says so before the container dies. */
  async function isBeingRemoved(container: Dockerode.Container): Promise<boolean> {
    try {
      const { State } = await container.inspect();
      return State.Status === 'removing' || State.Dead;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  function explain(lines: string[], code: number, wasOutOfMemory: boolean, tier: string): string {
    if (wasOutOfMemory)
      return `the agent needed more memory than tier ${tier} allows and was killed (exit code ${code}); raise its tier or TIER${tier}_MEMORY_MB`;
    return explainExit({ lines, ...describe(code) });
  }

  async function settle({ Actor, timeNano }: EngineEvent): Promise<void> {
    const { ID, Attributes } = Actor;
    const id = Attributes[WORKSPACE_LABEL];
    if (id === undefined || told.has(ID)) return;
    const container = engine.getContainer(ID);
    if (await isBeingRemoved(container)) return;
    if (told.has(ID)) return;
    if (told.size >= MOST_REMEMBERED) told.clear();
    told.add(ID);
    const code = Number(Attributes.exitCode ?? KILLED);
    // What it printed up to its end; the engine may have started it again meanwhile.
    const lines = await readLogLines(container, REASON_LINES, timeNano / 1e9);
    // A child that needed too much may be gone for long, and this end have another reason.
    const wasOutOfMemory = outOfMemory.delete(ID) && code === KILLED;
    const reason = explain(lines, code, wasOutOfMemory, Attributes[TIER_LABEL] ?? '2');
    await container.stop({ t: 0 }).catch((error: unknown) => {
      // 304: the engine has not started it again.
      if ((error as { statusCode?: number }).statusCode !== 304 && !isNotFound(error)) throw error;
    });
    if (!closed) onExit({ id, ...describe(code), reason });
  }

  function handle(event: EngineEvent): void {
    seenUntil = event.time;
    const { ID } = event.Actor;
    if (event.Action === 'oom') outOfMemory.add(ID);
    else
      settle(event).catch((error: unknown) => {
        told.delete(ID);
        log.error({ err: error, container: ID }, 'the end of a container could not be settled');
      });
  }

  function follow(events: NodeJS.ReadableStream): void {
    let rest = '';
    events.setEncoding('utf8');
    events.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim()) handle(JSON.parse(line) as EngineEvent);
    });
    const end = () => {
      if (stream === events) stream = null;
    };
    events.on('end', end).on('close', end);
    events.on('error', (error) => {
      log.warn({ err: error }, 'the event stream of the container engine broke off');
      end();
    });
  }

  return {
    /** Opens the stream unless it is open. @throws when the engine cannot be reached. */
    async open(): Promise<void> {
      if (closed || connecting || stream !== null) return;
      connecting = true;
      try {
        seenUntil ??= Math.floor(Date.parse((await engine.info()).SystemTime) / 1000);
        const events = await engine.getEvents({
          since: seenUntil,
          filters: { type: ['container'], event: ACTIONS, label: [`${MANAGED_LABEL}=true`] },
        });
        stream = events;
        follow(events);
      } finally {
        connecting = false;
      }
      if (closed) this.close();
    },
    close(): void {
      closed = true;
      (stream as (NodeJS.ReadableStream & { destroy(): void }) | null)?.destroy();
      stream = null;
    },
  };
}

export type ExitWatch = ReturnType<typeof createExitWatch>;
