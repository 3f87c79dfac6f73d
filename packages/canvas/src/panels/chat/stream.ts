// Frames of a streamed reply (A2A v0.3) as changes of its turn. Pure.

import { findTrace, isObject, type Json, readFiles, readReply, readText, readTrace } from './a2a-shapes.ts';
import { explainFailure } from './failures.ts';
import {
  type AgentReply,
  answerTurn,
  type Conversation,
  findTurn,
  NO_RESPONSE,
  setTurnState,
  type Turn,
} from './turns.ts';

const STOPPED = '*Stopped.*';
const INTERRUPTED = 'stream interrupted';

const joinBlocks = (before: string, next: string) =>
  before === '' || next === '' ? before + next : `${before}\n\n${next}`;

const replyOf = (text: string, at: string): AgentReply => ({ text, files: [], at, durationMs: null, trace: [] });

function readTaskId(result: Json): string | null {
  if (typeof result.taskId === 'string') return result.taskId;
  return result.kind === 'task' && typeof result.id === 'string' ? result.id : null;
}

function finish(conversation: Conversation, turn: Turn, result: Json, streamed: string, at: string): Conversation {
  const status = isObject(result.status) ? result.status : {};
  const text = streamed || readText(status.message);
  if (status.state === 'canceled')
    return answerTurn(conversation, turn.key, replyOf(joinBlocks(streamed, STOPPED), at));
  if (status.state === 'failed') return setTurnState(conversation, turn.key, explainFailure(readText(status.message)));
  return answerTurn(conversation, turn.key, {
    text: text || NO_RESPONSE,
    files: readFiles(status.message),
    at,
    durationMs: Date.parse(at) - Date.parse(turn.startedAt),
    trace: readTrace(findTrace(result)),
  });
}

/** @param at this browser's time, the reply's until its row says better. */
export function applyFrame(conversation: Conversation, key: string, frame: unknown, at: string): Conversation {
  if (!isObject(frame)) return conversation;
  if (isObject(frame.error)) {
    const detail = String(frame.error.message ?? '');
    // The platform's word for an agent that went in mid-stream is no last frame: what it means depends on what was said.
    return detail === INTERRUPTED ? conversation : setTurnState(conversation, key, explainFailure(detail));
  }
  const turn = findTurn(conversation, key);
  const { result } = frame;
  if (!isObject(result) || !turn) return conversation;
  const before = turn.state.is === 'streaming' ? turn.state : { is: 'streaming' as const, text: '', taskId: null };
  const stream = { ...before, taskId: readTaskId(result) ?? before.taskId };
  switch (result.kind) {
    case 'artifact-update': {
      const chunk = readText(result.artifact);
      const text = result.append === true ? stream.text + chunk : joinBlocks(stream.text, chunk);
      return setTurnState(conversation, key, { ...stream, text });
    }
    case 'status-update':
      return result.final === true
        ? finish(conversation, turn, result, stream.text, at)
        : setTurnState(conversation, key, stream);
    case 'message':
      return answerTurn(conversation, key, readReply({ result }, at, null) ?? replyOf(NO_RESPONSE, at));
    case 'task':
      // Where a stream was taken up again, the task holds all that was said so far.
      return setTurnState(conversation, key, {
        ...stream,
        text: readText({ artifacts: result.artifacts }) || stream.text,
      });
    default:
      return conversation;
  }
}
