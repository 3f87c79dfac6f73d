// Reading an event stream as a client does, event by event, with the connection in the test's hands.

export interface ReadEvent {
  /** Null for comments and what has none. */
  id: number | null;
  /** The lines of the event without its id. */
  lines: string;
  data: { id?: unknown; result?: Record<string, unknown>; error?: Record<string, unknown> } | null;
}

export interface EventReader {
  response: Response;
  /** @returns null at the end; @throws when the connection broke. */
  next(): Promise<ReadEvent | null>;
  /** The rest, to the end. */
  all(): Promise<ReadEvent[]>;
  /** Everything read so far, as it came. */
  raw(): string;
  /** Cuts the connection. */
  cut(): void;
}

function parseEvent(text: string): ReadEvent {
  const lines = text.split('\n');
  const id = lines.find((line) => line.startsWith('id: '))?.slice(4);
  const data = lines
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trim())
    .join('\n');
  return {
    id: id === undefined ? null : Number(id),
    lines: lines.filter((line) => !line.startsWith('id: ')).join('\n'),
    data: data === '' ? null : JSON.parse(data),
  };
}

export interface EventRequest {
  url: string;
  token: string;
  body: Record<string, unknown>;
  headers?: Record<string, string>;
}

/** Posts an A2A request and reads the events it is answered with. */
export async function readEvents({ url, token, body, headers }: EventRequest): Promise<EventReader> {
  const abort = new AbortController();
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...headers,
    },
    body: JSON.stringify(body),
    signal: abort.signal,
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let pending = '';
  let raw = '';

  async function next(): Promise<ReadEvent | null> {
    for (;;) {
      const end = pending.indexOf('\n\n');
      if (end >= 0) {
        const text = pending.slice(0, end);
        pending = pending.slice(end + 2);
        raw += `${text}\n\n`;
        return parseEvent(text);
      }
      const { done, value } = await reader.read();
      if (done) return null;
      pending += decoder.decode(value, { stream: true });
    }
  }

  return {
    response,
    next,
    async all() {
      const events: ReadEvent[] = [];
      for (let event = await next(); event; event = await next()) events.push(event);
      return events;
    },
    raw: () => raw,
    cut: () => abort.abort(),
  };
}
