// What an answer of the container engine means (chapter 10 §7.1, §7.5). Pure: the callers decide what to do about it.

interface EngineAnswer {
  statusCode?: number;
  message?: string;
}

const answerOf = (error: unknown) => (error ?? {}) as EngineAnswer;
const messageOf = (error: unknown) => answerOf(error).message ?? String(error);

export const isNotFound = (error: unknown) => answerOf(error).statusCode === 404;

/** Only both halves together: either alone is also part of errors after which the container still runs. */
export function isRemovalInProgress(error: unknown): boolean {
  const message = messageOf(error);
  return message.includes('removal of container') && message.includes('already in progress');
}

export const isNameTaken = (error: unknown) =>
  answerOf(error).statusCode === 409 && /name .* is already in use/i.test(messageOf(error));

/** Somebody else got the host port between our look and the engine's bind. */
export const isPortTaken = (error: unknown) =>
  /port is already allocated|address already in use/i.test(messageOf(error));

export const isNotRunning = (error: unknown) =>
  answerOf(error).statusCode === 409 && /is not running|is restarting|is paused/i.test(messageOf(error));

export const isMissingBind = (error: unknown) => /bind source path does not exist/i.test(messageOf(error));

/** The image, or its registry, has nothing of that name for us. */
export const isMissingImage = (error: unknown) =>
  isNotFound(error) || /manifest unknown|not found|repository does not exist|no such image/i.test(messageOf(error));

export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
