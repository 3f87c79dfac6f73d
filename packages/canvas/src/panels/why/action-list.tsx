// What a person can do about it, each with what comes of it; doing nothing is the last of them, and says what happens then.

import type { WhyReply } from '@molecule/contract';
import { useState } from 'react';
import { useRuns } from '../../commands/lifecycle.ts';
import { useConnection } from '../../live/index.ts';
import { Button, ConfirmDialog, formatDuration, formatFull, toSentence, useFastNow } from '../../ui/index.ts';
import { type Act, act, cancelDelegation } from './actions.ts';
import { ACTION_WORDS } from './words.ts';

type Option = WhyReply['actions'][number];

const MINUTE_MS = 60_000;
/** What mends the cause; the rest only shows it, or gives up. */
const MENDS = new Set<Option['action']>(['restart', 'resume', 'retry', 'wake', 'raise_budget', 'connect', 'answer']);

/** "5 h 48 m left", "in 12 s": the next thing that happens by itself. */
function Coming({ coming, word }: { coming: NonNullable<WhyReply['next']>; word: string }) {
  const now = Math.max(useFastNow(), Date.now());
  const ms = Date.parse(coming.at) - now;
  const left = ms <= 0 ? 'due now' : `${formatDuration(ms < MINUTE_MS ? Math.ceil(ms / 1000) * 1000 : ms)} ${word}`;
  return (
    <span className="muted num" title={formatFull(coming.at)}>
      {left}
    </span>
  );
}

function DoNothing({ why, option }: { why: WhyReply; option: Option | undefined }) {
  const { next, gives_up: end } = why;
  const words = option?.consequence ?? [next, end].flatMap((one) => (one ? [toSentence(one.says)] : [])).join(' ');
  return (
    <li className="act" data-testid="why-nothing">
      <b>{option?.label ?? 'Do nothing'}</b>
      <p className="num">{words || 'Nothing happens by itself.'}</p>
      <span className="act-end">
        {end ? <Coming coming={end} word="left" /> : next ? <Coming coming={next} word="to go" /> : null}
      </span>
    </li>
  );
}

/** Says what the button shows, and of what. */
function nameOf({ action, label }: Option): string {
  const word = ACTION_WORDS[action].replace('…', '');
  return label.startsWith(word) ? label : `${word}: ${label}`;
}

interface ActionRowProps {
  option: Option;
  isFirst: boolean;
  onPress(): void;
}

function ActionRow({ option, isFirst, onPress }: ActionRowProps) {
  const { canWrite } = useConnection();
  const isBusy = useRuns((runs) => runs.busy[option.workspace_id] !== undefined);
  return (
    <li className="act" data-testid="why-action">
      <b>{option.label}</b>
      <p>{option.consequence}</p>
      <Button
        look={isFirst ? 'primary' : 'line'}
        aria-label={nameOf(option)}
        busy={isBusy}
        disabled={!canWrite}
        title={canWrite ? undefined : 'The platform is out of reach'}
        onClick={onPress}
      >
        {ACTION_WORDS[option.action]}
      </Button>
    </li>
  );
}

export function Actions({ why, onDone }: { why: WhyReply; onDone(): void }) {
  const [asked, setAsked] = useState<Act | null>(null);
  const options = why.actions.filter(({ action }) => action !== 'wait');
  const wait = why.actions.find(({ action }) => action === 'wait');
  if (options.length === 0 && !wait && !why.next && !why.gives_up) return null;
  return (
    <footer className="acts">
      <h4 className="h-label">{options.length > 0 ? 'What you can do' : 'What comes next'}</h4>
      <ul>
        {options.map((option, index) => (
          <ActionRow
            key={`${option.action}-${option.workspace_id}-${option.delegation_id}`}
            option={option}
            isFirst={index === 0 && why.stuck && MENDS.has(option.action)}
            onPress={() => (option.action === 'cancel' ? setAsked(option) : act(option))}
          />
        ))}
        {(wait || why.next || why.gives_up) && <DoNothing why={why} option={wait} />}
      </ul>
      {asked?.delegation_id && (
        <ConfirmDialog
          title="Cancel this delegation?"
          lead="It ends as failed, and its caller is told at once. What the agent has begun it may still finish."
          action="Cancel the delegation"
          danger
          onConfirm={async () => {
            await cancelDelegation(asked.workspace_id, asked.delegation_id ?? '');
            onDone();
          }}
          onClose={() => setAsked(null)}
        />
      )}
    </footer>
  );
}
