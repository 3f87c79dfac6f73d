// Buttons: one primary per surface, `line` beside it, plain elsewhere. A disabled button says why in `title`.

import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Tooltip } from './tooltip.tsx';

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: 'plain' | 'primary' | 'line' | 'danger';
  size?: 'xs' | 'sm' | 'md' | 'lg';
  /** Work is under way: the button is locked and says so to assistive technology. */
  busy?: boolean;
}

const LOOKS = { plain: '', primary: 'primary', line: 'line', danger: 'danger line' } as const;

export function Button({ look = 'plain', size = 'md', busy = false, className = '', disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={`btn ${LOOKS[look]} ${size === 'md' ? '' : size} ${className}`}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
    />
  );
}

export interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** Accessible name, also the tooltip. */
  label: string;
  children: ReactNode;
  shortcut?: string;
  small?: boolean;
}

export function IconButton({ label, shortcut, small = false, className = '', children, ...rest }: IconButtonProps) {
  return (
    <Tooltip text={label} shortcut={shortcut}>
      <button type="button" {...rest} aria-label={label} className={`ib ${small ? 'sm' : ''} ${className}`}>
        {children}
      </button>
    </Tooltip>
  );
}
