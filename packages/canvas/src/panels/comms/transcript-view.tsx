// The session log of an agent as it grows: read on from where it was, while somebody looks.

import { ApiError, type Transcript } from '@molecule/contract';
import { Pause, Play } from 'lucide-react';
import { type UIEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { api } from '../../app/api.ts';
import type { WorkspaceNode } from '../../live/index.ts';
import { formatFull, formatTimeExact, Icon, IconButton, Skeleton, toSentence } from '../../ui/index.ts';

const EVERY_MS = 2_000;
const MOST_PAUSE_MS = 30_000;
const PAGE = 200;
/** What is kept; the beginning of a long session is in its log file. */
const MOST_LINES = 2_000;
const NEAR_END_PX = 80;

type Line = Transcript['lines'][number];

interface Reading {
  lines: readonly (Line & { number: number })[];
  supported: boolean;
  runtime: string;
}

const FILTERS = [
  { id: 'all', label: 'All', types: null },
  { id: 'talk', label: 'Said', types: ['user', 'agent'] },
  { id: 'thinking', label: 'Thought', types: ['thinking'] },
  { id: 'tools', label: 'Tools', types: ['tool_call', 'tool_result'] },
] as const;
type FilterId = (typeof FILTERS)[number]['id'];

const WORDS: Record<Line['type'], string> = {
  user: 'asked',
  agent: 'said',
  thinking: 'thought',
  tool_call: 'called',
  tool_result: 'result',
  system: 'system',
};

/** Follows the log until unmounted or paused; a failure is told and waited out, longer each time. */
function useTranscript(id: string, isPaused: boolean) {
  const [reading, setReading] = useState<Reading | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const cursor = useRef(0);
  useEffect(() => {
    if (isPaused) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let pauseMs = EVERY_MS;

    async function readOn(): Promise<void> {
      if (document.hidden) return again();
      try {
        const query = { since: String(cursor.current), limit: String(PAGE) };
        const page = await api.readTranscript({ params: { id }, query, signal: stop.signal });
        const first = cursor.current;
        cursor.current = page.cursor;
        pauseMs = page.more ? 0 : EVERY_MS;
        setProblem(null);
        setReading((known) => ({
          supported: page.supported,
          runtime: page.runtime,
          lines: [
            ...(known?.lines ?? []),
            ...page.lines.map((line, index) => ({ ...line, number: first + index })),
          ].slice(-MOST_LINES),
        }));
        if (!page.supported) return;
      } catch (error) {
        if (stop.signal.aborted) return;
        pauseMs = Math.min(MOST_PAUSE_MS, Math.max(EVERY_MS, pauseMs * 2));
        setProblem(error instanceof ApiError ? error.message : String(error));
      }
      again();
    }
    function again(): void {
      if (!stop.signal.aborted) timer = setTimeout(() => void readOn(), pauseMs);
    }
    void readOn();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [id, isPaused]);
  return { reading, problem };
}

/** Follows the end for who reads there. */
function useFollow(last: number | undefined) {
  const box = useRef<HTMLDivElement>(null);
  const isPinned = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last line is what scrolls
  useLayoutEffect(() => {
    if (box.current && isPinned.current) box.current.scrollTop = box.current.scrollHeight;
  }, [last]);
  const onScroll = ({ currentTarget }: UIEvent<HTMLDivElement>) => {
    const { scrollHeight, scrollTop, clientHeight } = currentTarget;
    isPinned.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  };
  return { box, onScroll };
}

function TranscriptLine({ line }: { line: Line }) {
  return (
    <li className="ts-line" data-type={line.type} data-testid="transcript-line">
      <span className="stamp" title={formatFull(line.ts)}>
        {formatTimeExact(line.ts)}
      </span>
      <span className="ts-kind">{line.tool ? `${WORDS[line.type]} ${line.tool}` : WORDS[line.type]}</span>
      <p>{line.content}</p>
    </li>
  );
}

export function TranscriptView({ node }: { node: WorkspaceNode }) {
  const [isPaused, setPaused] = useState(false);
  const [filter, setFilter] = useState<FilterId>('all');
  const { reading, problem } = useTranscript(node.id, isPaused);
  const types: readonly string[] | null = FILTERS.find((one) => one.id === filter)?.types ?? null;
  const shown = (reading?.lines ?? []).filter((line) => types === null || types.includes(line.type));
  const { box, onScroll } = useFollow(shown.at(-1)?.number);
  if (reading && !reading.supported)
    return (
      <div className="tab-empty">
        <p>
          {node.name} runs on {reading.runtime}, which keeps no transcript. Its activity shows what it was asked and
          what it answered.
        </p>
      </div>
    );
  return (
    <>
      <div className="row ts-bar">
        <div className="chips grow" role="toolbar" aria-label="Kind of line">
          {FILTERS.map((one) => (
            <button
              key={one.id}
              type="button"
              className="chipf"
              aria-pressed={filter === one.id}
              onClick={() => setFilter(one.id)}
            >
              {one.label}
            </button>
          ))}
        </div>
        <IconButton
          small
          label={isPaused ? 'Follow again' : 'Pause'}
          aria-pressed={isPaused}
          onClick={() => setPaused(!isPaused)}
        >
          <Icon of={isPaused ? Play : Pause} small />
        </IconButton>
      </div>
      {problem && (
        <div className="note warn chat-note" role="status">
          {toSentence(problem)} Tries again by itself.
        </div>
      )}
      <div className="ts scroll" ref={box} onScroll={onScroll} role="log" aria-label={`Transcript of ${node.name}`}>
        {!reading && !problem && <Skeleton width="70%" />}
        {reading && shown.length === 0 && <p className="muted ts-none">Nothing of this kind yet.</p>}
        <ul>
          {shown.map((line) => (
            <TranscriptLine key={line.number} line={line} />
          ))}
        </ul>
      </div>
    </>
  );
}
