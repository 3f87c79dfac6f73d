// Why a database could not be opened, in one sentence, with the command that mends it. Thrown before anything is written.

export type StartErrorCode =
  | 'already_running'
  | 'unwritable'
  | 'disk_full'
  | 'newer_schema'
  | 'unreachable'
  | 'too_old'
  | 'not_durable'
  | 'workloads_elsewhere'
  | 'unopenable';

export class DatabaseStartError extends Error {
  readonly code: StartErrorCode;
  readonly hint: string;
  /** Address of the platform that holds the data, for already_running. */
  readonly owner: string | null;

  constructor(code: StartErrorCode, message: string, hint: string, owner: string | null = null) {
    super(message);
    this.name = 'DatabaseStartError';
    this.code = code;
    this.hint = hint;
    this.owner = owner;
  }
}
