// Lucide icons in the house style, and the glyphs that are our own.

import type { LucideIcon } from 'lucide-react';
import type { ReactNode } from 'react';

export function Icon({
  of: Glyph,
  small = false,
  className = '',
}: {
  of: LucideIcon;
  small?: boolean;
  className?: string;
}) {
  const size = small ? 14 : 16;
  return (
    <Glyph
      className={`ic ${small ? 'sm' : ''} ${className}`}
      size={size}
      strokeWidth={1.5}
      absoluteStrokeWidth
      aria-hidden
    />
  );
}

function OwnGlyph({ small, children }: { small?: boolean; children: ReactNode }) {
  return (
    <svg className={`ic ${small ? 'sm' : ''}`} viewBox="0 0 16 16" aria-hidden="true">
      {children}
    </svg>
  );
}

/** A delegation: an arrow that leaves an atom. */
export function DelegationIcon({ small }: { small?: boolean }) {
  return (
    <OwnGlyph small={small}>
      <circle cx="3.6" cy="8" r="1.6" />
      <path d="M5.2 8h7.6M9.6 4.8 12.8 8l-3.2 3.2" />
    </OwnGlyph>
  );
}

/** A chain of causes that ends in a filled atom. */
export function ChainIcon({ small }: { small?: boolean }) {
  return (
    <OwnGlyph small={small}>
      <circle cx="3.4" cy="11.8" r="1.7" />
      <circle cx="8" cy="5" r="1.7" />
      <circle cx="12.6" cy="11.8" r="2" fill="currentColor" />
      <path d="m4.4 10.4 2.7-4M8.9 6.4l2.5 3.7" />
    </OwnGlyph>
  );
}

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 24 24" role="img" aria-label="Molecule">
      <path d="M2.8 17.9 7.5 6.4 12 14.3l4.5-7.9 2.6 6.4" />
      <circle cx="20.7" cy="16.9" r="2.65" />
    </svg>
  );
}
