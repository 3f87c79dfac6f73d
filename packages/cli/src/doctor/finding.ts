// One thing the doctor looked at, and what to do about it.

export interface Finding {
  check: string;
  /** `note`: worth knowing, nothing to mend. */
  level: 'ok' | 'note' | 'problem';
  detail: string;
  /** What mends it, best as a command; '' when there is nothing to mend. */
  fix: string;
}

export const ok = (check: string, detail: string): Finding => ({ check, level: 'ok', detail, fix: '' });
export const note = (check: string, detail: string, fix = ''): Finding => ({ check, level: 'note', detail, fix });
export const problem = (check: string, detail: string, fix: string): Finding => ({
  check,
  level: 'problem',
  detail,
  fix,
});
