// A labelled control with its hint and its error. The error is announced and linked to the control.

import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react';

interface Around {
  label: ReactNode;
  hint?: ReactNode;
  error?: string | null;
  /** Drawn inside the box, before and after the control. */
  before?: ReactNode;
  after?: ReactNode;
  /** The label is for assistive technology only. */
  bare?: boolean;
}

function Frame({
  id,
  label,
  hint,
  error,
  before,
  after,
  bare,
  area,
  children,
}: Around & { id: string; area?: boolean; children: ReactNode }) {
  return (
    <div className="fieldset">
      <label className={bare ? 'sr' : 'label'} htmlFor={id}>
        {label}
      </label>
      <div className={`field ${area ? 'area' : ''}`} data-invalid={error ? true : undefined}>
        {before}
        {children}
        {after}
      </div>
      {error ? (
        <p className="field-error" id={`${id}-note`} role="alert">
          {error}
        </p>
      ) : (
        hint && (
          <p className="hint" id={`${id}-note`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}

export function TextField({
  label,
  hint,
  error,
  before,
  after,
  bare,
  ...input
}: Around & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <Frame id={id} {...{ label, hint, error, before, after, bare }}>
      <input id={id} aria-invalid={error ? true : undefined} aria-describedby={`${id}-note`} {...input} />
    </Frame>
  );
}

export function TextArea({ label, hint, error, bare, ...input }: Around & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <Frame id={id} area {...{ label, hint, error, bare }}>
      <textarea id={id} aria-invalid={error ? true : undefined} aria-describedby={`${id}-note`} {...input} />
    </Frame>
  );
}

export function SelectField({
  label,
  hint,
  error,
  bare,
  children,
  ...input
}: Around & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return (
    <Frame id={id} {...{ label, hint, error, bare }}>
      <select id={id} aria-invalid={error ? true : undefined} aria-describedby={`${id}-note`} {...input}>
        {children}
      </select>
    </Frame>
  );
}

export function Switch({ label, checked, onChange }: { label: string; checked: boolean; onChange(on: boolean): void }) {
  return (
    <button
      type="button"
      role="switch"
      className="switch"
      aria-label={label}
      aria-checked={checked}
      onClick={() => onChange(!checked)}
    />
  );
}

/** The field a refusal names; null when it names none. */
export function refusedField(error: unknown): string | null {
  const field = (error as { body?: { field?: unknown } } | null)?.body?.field;
  return typeof field === 'string' ? field : null;
}
