// What the scripted model server and the providers' wires agree on. A wire reads requests and writes replies; it scripts nothing.

export interface ModelToolCall {
  id: string;
  name: string;
  input: unknown;
}

export interface ModelChatEntry {
  role: 'user' | 'assistant' | 'tool';
  text: string;
  toolCalls: ModelToolCall[];
  /** Of a tool's result: the call it answers. */
  toolCallId: string | null;
}

/** A request as far as a script needs to read it, the same for every wire. */
export interface ReadRequest {
  model: string;
  stream: boolean;
  system: string;
  messages: ModelChatEntry[];
  /** Names of the offered tools. */
  tools: string[];
}

/** A reply as it goes out: the text in pieces as they come, then tool calls, then how it ended. */
export interface OutgoingReply {
  id: string;
  model: string;
  text: AsyncIterable<string>;
  toolCalls: ModelToolCall[];
  /** Ends before its end, as a provider does that cuts or withholds; null = by itself. */
  finish: 'length' | 'content-filter' | null;
  usage: { input: number; output: number };
  /** Breaks off with an error after the text; null = whole. */
  brokenBy: { type: string; message: string } | null;
}

export interface Wire {
  name: 'chat' | 'messages' | 'responses';
  path: string;
  read(body: Record<string, unknown>): ReadRequest;
  /** Server-sent events, each as it goes over the socket. */
  encodeStream(reply: OutgoingReply, request: Record<string, unknown>): AsyncGenerator<string, void, undefined>;
  encodeWhole(reply: OutgoingReply, text: string): object;
  encodeError(status: number, type: string, message: string): object;
}

export type Json = Record<string, unknown>;

export const asList = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** A text, or the texts of a list of parts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return asList(content)
    .map((part) => part.text)
    .filter((text): text is string => typeof text === 'string')
    .join('\n');
}

export function parseJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return text;
  }
}

/** Arguments arrive in pieces, so that a client which cannot put them together fails. */
export function cutInTwo(text: string): string[] {
  const middle = Math.ceil(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)].filter(Boolean);
}

export const dataFrame = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;
export const eventFrame = (data: Json): string => `event: ${String(data.type)}\n${dataFrame(data)}`;
