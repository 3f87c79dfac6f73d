// The life of one terminal in the panel: the screen is opened once per workspace, its connection as often as somebody asks.

import { useCallback, useEffect, useRef, useState } from 'react';
import { copyText, toast } from '../../ui/index.ts';
import { type ConnectionEnd, connectShell, type ShellConnection } from './connection.ts';
import type { Screen } from './screen.ts';

export type ShellState = { phase: 'connecting' } | { phase: 'open' } | { phase: ConnectionEnd['kind']; reason: string };

/** A phone turning, a panel being dragged: not more often than it can be seen. */
function watchSize(place: HTMLElement, onChange: () => void): () => void {
  let frame = 0;
  const observer = new ResizeObserver(() => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(onChange);
  });
  observer.observe(place);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}

const focusTab = () => document.querySelector<HTMLElement>('[data-testid="tab-terminal"]')?.focus();

export function useShell(workspaceId: string) {
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen | null>(null);
  const connection = useRef<ShellConnection | null>(null);
  const [state, setState] = useState<ShellState>({ phase: 'connecting' });
  const [pasted, setPasted] = useState<string | null>(null);
  const [isFinding, setFinding] = useState(false);

  const connect = useCallback(() => {
    const shown = screen.current;
    if (!shown) return;
    connection.current?.close();
    setState({ phase: 'connecting' });
    const opened = connectShell(workspaceId, {
      onOpen() {
        opened.resize(shown.fit());
        setState({ phase: 'open' });
      },
      onBytes: (bytes) => shown.write(bytes),
      onEnd({ kind, reason }) {
        shown.end();
        setState({ phase: kind, reason });
      },
    });
    connection.current = opened;
  }, [workspaceId]);

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    let gone = false;
    let unwatch = () => {};
    const start = async () => {
      const { openScreen } = await import('./screen.ts');
      if (gone) return;
      const opened = await openScreen(element, {
        onInput: (text) => connection.current?.write(text),
        onResize: (size) => connection.current?.resize(size),
        onSelect: (text) => void copyText(text),
        onLeave: focusTab,
        onFind: () => setFinding(true),
        onPasteLines: setPasted,
      });
      if (gone) {
        opened.dispose();
        return;
      }
      screen.current = opened;
      unwatch = watchSize(element, () => opened.fit());
      opened.focus();
      connect();
    };
    start().catch((error: Error) => {
      setState({ phase: 'unavailable', reason: 'its part of the page could not be loaded' });
      toast.error(`The terminal could not be shown: ${error.message}`);
    });
    return () => {
      gone = true;
      unwatch();
      connection.current?.close();
      connection.current = null;
      screen.current?.dispose();
      screen.current = null;
    };
  }, [connect]);

  const reconnect = useCallback(() => {
    screen.current?.begin();
    screen.current?.focus();
    connect();
  }, [connect]);

  return { place, screen, state, pasted, setPasted, isFinding, setFinding, reconnect };
}
