// Files dragged over the canvas: says what a drop would do, and imports the bundles that are dropped. What has a use of its own
// for files (the chat, the files of a workspace) takes them first.

import { useEffect, useRef, useState } from 'react';
import { importBundles } from '../commands/bundles.ts';
import { useConnection } from '../live/index.ts';
import { toast } from '../ui/index.ts';
import './bundle-drop.css';

const carriesFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') === true;

/** Panels and dialogs lie on the canvas and are not it. */
const isOverCanvas = ({ target }: DragEvent) =>
  !(target instanceof Element && target.closest('.panel, .dialog, .drawer, .scrim') !== null);

export function BundleDrop() {
  const { canWrite } = useConnection();
  const [isOver, setOver] = useState(false);
  const writable = useRef(canWrite);
  writable.current = canWrite;
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      const isOurs = !event.defaultPrevented && isOverCanvas(event);
      setOver(isOurs);
      // Else a file that is let go in the wrong place would replace the page.
      if (!event.defaultPrevented && !isOurs && event.dataTransfer) event.dataTransfer.dropEffect = 'none';
      event.preventDefault();
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      setOver(false);
      if (!carriesFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      if (!isOverCanvas(event)) return;
      if (writable.current) void importBundles([...(event.dataTransfer?.files ?? [])]);
      else toast.error('The platform is out of reach. Nothing was imported.');
    };
    window.addEventListener('dragover', over);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', over);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, []);
  if (!isOver) return null;
  return (
    <div className="bundle-drop" data-testid="bundle-drop">
      <span>{canWrite ? 'Import the bundle as a new team' : 'The platform is out of reach'}</span>
    </div>
  );
}
