// A long press on a card or a row opens its menu, as a right click does. Some touch browsers send `contextmenu` themselves, others
// never do; whoever shows the menu hears the same event either way.

import { useEffect } from 'react';

const HOLD_MS = 500;
/** A finger that moves further scrolls, pans or pinches. */
const STILL_PX = 10;

export function useLongPress(): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let start = { x: 0, y: 0 };
    let isOpened = false;
    const stop = () => {
      clearTimeout(timer);
      timer = undefined;
    };
    const down = (event: PointerEvent) => {
      stop();
      isOpened = false;
      const card = event.target instanceof Element ? event.target.closest('[data-node], .react-flow__node') : null;
      if (event.pointerType !== 'touch' || !event.isPrimary || !card) return;
      start = { x: event.clientX, y: event.clientY };
      const target = event.target as Element;
      timer = setTimeout(() => {
        timer = undefined;
        const at = { clientX: start.x, clientY: start.y };
        target.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, ...at }));
      }, HOLD_MS);
    };
    const move = (event: PointerEvent) => {
      if (timer !== undefined && Math.hypot(event.clientX - start.x, event.clientY - start.y) > STILL_PX) stop();
    };
    // The browser's own, or this one's: either way the lifted finger is no tap.
    const menu = () => {
      stop();
      isOpened = true;
    };
    const click = (event: MouseEvent) => {
      if (!isOpened || (event as PointerEvent).pointerType !== 'touch') return;
      isOpened = false;
      event.preventDefault();
      event.stopPropagation();
    };
    const options = { capture: true };
    window.addEventListener('pointerdown', down, options);
    window.addEventListener('pointermove', move, options);
    window.addEventListener('pointerup', stop, options);
    window.addEventListener('pointercancel', stop, options);
    window.addEventListener('contextmenu', menu, options);
    window.addEventListener('click', click, options);
    return () => {
      stop();
      window.removeEventListener('pointerdown', down, options);
      window.removeEventListener('pointermove', move, options);
      window.removeEventListener('pointerup', stop, options);
      window.removeEventListener('pointercancel', stop, options);
      window.removeEventListener('contextmenu', menu, options);
      window.removeEventListener('click', click, options);
    };
  }, []);
}
