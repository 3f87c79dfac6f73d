// A shell beside a workload (chapter 10 §2.6), whatever the backend makes it of. Bytes, not text: both ways unchanged.

export interface TerminalSize {
  cols: number;
  rows: number;
}

export interface Terminal {
  write(bytes: Uint8Array): void;
  resize(size: TerminalSize): void;
  /** One listener; what came before it is kept for it. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /** Called once, also when the terminal was closed from here. */
  onEnd(listener: () => void): void;
  close(): void;
  /** Stops reading until `resume`, so that a reader who cannot follow slows the program down; absent where it cannot. */
  pause?(): void;
  resume?(): void;
}

/** There is no shell to be had here, whatever the workload does; the message says why. */
export class NoTerminalError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoTerminalError';
  }
}
