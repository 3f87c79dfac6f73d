// Preformatted text in a frame of its own: scrolled by keyboard as well, with a button that copies it.

import type { ReactNode } from 'react';
import { CopyButton } from './copy-button.tsx';

export interface CodeBlockProps {
  /** What it is, for assistive technology and the copy button. */
  label: string;
  /** What is copied; without it there is no button. */
  text?: string;
  className?: string;
  onCopied?: () => void;
  children: ReactNode;
}

export function CodeBlock({ label, text, className = '', onCopied, children }: CodeBlockProps) {
  return (
    <div className="code-frame">
      {/* biome-ignore lint/a11y/useSemanticElements lint/a11y/noNoninteractiveTabindex: a scrolled area has to be reached by keyboard, and pre keeps its lines */}
      <pre className={`code ${className}`} tabIndex={0} role="region" aria-label={label}>
        {children}
      </pre>
      {text && (
        <CopyButton text={text} label={`Copy the ${label.toLowerCase()}`} className="code-copy" onCopied={onCopied} />
      )}
    </div>
  );
}
