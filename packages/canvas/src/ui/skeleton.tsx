// A placeholder in the final geometry. It appears after 150 ms, so that a fast answer shows no flicker.

import { type ReactNode, useEffect, useState } from 'react';

const DELAY_MS = 150;

export function Skeleton({ width = '100%', height = 10 }: { width?: number | string; height?: number }) {
  return <i className="skel" style={{ width, height }} aria-hidden="true" />;
}

export function Delayed({ children }: { children: ReactNode }) {
  const [due, setDue] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setDue(true), DELAY_MS);
    return () => clearTimeout(timer);
  }, []);
  return due ? children : null;
}
