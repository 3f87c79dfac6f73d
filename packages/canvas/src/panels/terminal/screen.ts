// What a shell prints, drawn: xterm with the colours of the theme, fitted to its place. The one file that loads xterm, so that
// nobody waits for it who opens no terminal.

import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { type ITheme, Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { isApple } from '../../ui/index.ts';

const SCROLLBACK_LINES = 5_000;
const FONT_SIZE = 13;
const HIDE_CURSOR = '\x1b[?25l';
/** The main screen, no mouse, plain pastes, a soft reset, the cursor, a new line. */
const ORDINARY_MODES = '\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[!p\x1b[?25h\r\n';

export interface ScreenEvents {
  onInput(text: string): void;
  onResize(size: { cols: number; rows: number }): void;
  onSelect(text: string): void;
  /** The person wants out of it, by keyboard. */
  onLeave(): void;
  onFind(): void;
  /** More than one line: to be confirmed before it is typed. */
  onPasteLines(text: string): void;
}

export interface Screen {
  write(bytes: Uint8Array): void;
  /** What stands there stays, without a cursor: nobody reads what is typed. */
  end(): void;
  /** Below what stands there, and without the modes a program that was cut off left behind. */
  begin(): void;
  paste(text: string): void;
  focus(): void;
  /** As large as its place allows. @returns that size. */
  fit(): { cols: number; rows: number };
  find(text: string, direction: 'next' | 'previous'): boolean;
  clearFind(): void;
  dispose(): void;
}

/** What the tokens come to in this theme; xterm draws with plain colours only. */
function readColours(tokens: Record<string, string>): Record<string, string> {
  const probe = document.createElement('span');
  document.body.append(probe);
  const canvas = document.createElement('canvas');
  canvas.width = 1;
  canvas.height = 1;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const read = (token: string) => {
    probe.style.color = `var(${token})`;
    const computed = getComputedStyle(probe).color;
    if (!pen) return computed;
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = computed;
    pen.fillRect(0, 0, 1, 1);
    return `#${[...pen.getImageData(0, 0, 1, 1).data].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  };
  const colours = Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, read(token)]));
  probe.remove();
  return colours;
}

const TOKENS = {
  background: '--well',
  foreground: '--ink',
  cursor: '--accent-text',
  cursorAccent: '--well',
  selectionBackground: '--accent-tint',
  black: '--ink-4',
  red: '--st-failed-text',
  green: '--st-online-text',
  yellow: '--st-degraded-text',
  blue: '--edge-recent-text',
  magenta: '--st-awaiting-text',
  cyan: '--st-provisioning-text',
  white: '--ink-2',
  brightBlack: '--ink-3',
  brightRed: '--st-failed',
  brightGreen: '--st-online',
  brightYellow: '--st-degraded',
  brightBlue: '--edge-recent',
  brightMagenta: '--st-awaiting',
  brightCyan: '--st-provisioning',
  brightWhite: '--ink',
  scrollbarSliderBackground: '--press',
  scrollbarSliderHoverBackground: '--line-strong',
  scrollbarSliderActiveBackground: '--line-strong',
} as const satisfies { [colour in keyof ITheme]?: string };

const readTheme = (): ITheme => readColours(TOKENS);

/** Calls back when another theme or contrast is chosen, here or in the system. */
function watchTheme(onChange: () => void): () => void {
  const observer = new MutationObserver(onChange);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme', 'data-contrast'] });
  const system = matchMedia('(prefers-color-scheme: dark)');
  system.addEventListener('change', onChange);
  return () => {
    observer.disconnect();
    system.removeEventListener('change', onChange);
  };
}

/** Keys that are not the shell's: the search of the canvas, finding, and the way out. */
function ownKey(event: KeyboardEvent): 'search' | 'find' | 'leave' | null {
  const modifier = isApple ? event.metaKey : event.ctrlKey;
  if (modifier && !event.shiftKey && event.key.toLowerCase() === 'k') return 'search';
  if (modifier && (isApple || event.shiftKey) && event.key.toLowerCase() === 'f') return 'find';
  return event.shiftKey && event.key === 'Escape' ? 'leave' : null;
}

/** Draws into `place`, which must be visible. */
export async function openScreen(place: HTMLElement, events: ScreenEvents): Promise<Screen> {
  const family = getComputedStyle(document.documentElement).getPropertyValue('--font-mono').trim();
  // Cells are measured once, so the font has to be there.
  await document.fonts.load(`${FONT_SIZE}px ${family}`).catch(() => []);
  const terminal = new Terminal({
    fontFamily: family,
    fontSize: FONT_SIZE,
    lineHeight: 1.25,
    scrollback: SCROLLBACK_LINES,
    theme: readTheme(),
    minimumContrastRatio: 4.5,
    cursorBlink: false,
    macOptionIsMeta: true,
    allowProposedApi: true,
  });
  const [fitter, finder] = [new FitAddon(), new SearchAddon()];
  terminal.loadAddon(fitter);
  terminal.loadAddon(finder);
  terminal.open(place);
  terminal.attachCustomKeyEventHandler((event) => {
    const key = ownKey(event);
    if (key === null) return true;
    if (event.type !== 'keydown' || key === 'search') return false;
    event.preventDefault();
    event.stopPropagation();
    if (key === 'leave') events.onLeave();
    else events.onFind();
    return false;
  });
  terminal.onData(events.onInput);
  terminal.onResize(events.onResize);

  const onPaste = (event: ClipboardEvent) => {
    const text = event.clipboardData?.getData('text/plain') ?? '';
    if (!/[\r\n]/.test(text.trimEnd())) return;
    event.preventDefault();
    event.stopPropagation();
    events.onPasteLines(text);
  };
  // Before xterm sees it.
  place.addEventListener('paste', onPaste, true);
  // When the button is let go: only then browsers allow a copy.
  const onSelected = () => terminal.hasSelection() && events.onSelect(terminal.getSelection());
  place.addEventListener('mouseup', onSelected);
  const unwatch = watchTheme(() => {
    terminal.options.theme = readTheme();
  });
  fitter.fit();

  return {
    write: (bytes) => terminal.write(bytes),
    end: () => terminal.write(HIDE_CURSOR),
    begin: () => terminal.write(ORDINARY_MODES),
    paste: (text) => terminal.paste(text),
    focus: () => terminal.focus(),
    fit() {
      fitter.fit();
      return { cols: terminal.cols, rows: terminal.rows };
    },
    find: (text, direction) => (direction === 'next' ? finder.findNext(text) : finder.findPrevious(text)),
    clearFind: () => finder.clearDecorations(),
    dispose() {
      unwatch();
      place.removeEventListener('paste', onPaste, true);
      place.removeEventListener('mouseup', onSelected);
      terminal.dispose();
    },
  };
}
