// Files dragged over the chat: says where they would go, and attaches what is dropped.

import { type DragEvent, type ReactNode, useRef, useState } from 'react';
import { toast } from '../../../ui/index.ts';
import { attach } from './drafts.ts';

const carriesFiles = ({ dataTransfer }: DragEvent) => dataTransfer.types.includes('Files');

/** A folder comes as a file without content. */
function listFiles({ dataTransfer }: DragEvent): File[] {
  const items = [...dataTransfer.items].filter((item) => item.kind === 'file');
  if (items.some((item) => item.webkitGetAsEntry()?.isDirectory))
    toast.error('Folders cannot be attached; choose their files.');
  return items.flatMap((item) => (item.webkitGetAsEntry()?.isDirectory ? [] : (item.getAsFile() ?? [])));
}

export interface DropZoneProps {
  workspaceId: string;
  name: string;
  /** Nothing can be sent now. */
  locked: boolean;
  children: ReactNode;
}

export function DropZone({ workspaceId, name, locked, children }: DropZoneProps) {
  const [isOver, setOver] = useState(false);
  // Enter and leave come for every element inside, too.
  const depth = useRef(0);
  const move = (step: number) => (event: DragEvent) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth.current = Math.max(0, depth.current + step);
    setOver(depth.current > 0);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the paperclip does the same by keyboard
    <div
      className="drop-zone"
      onDragEnter={move(1)}
      onDragLeave={move(-1)}
      onDragOver={(event) => carriesFiles(event) && event.preventDefault()}
      onDrop={(event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        depth.current = 0;
        setOver(false);
        if (!locked) attach(workspaceId, listFiles(event));
      }}
    >
      {children}
      {isOver && (
        <div className="drop-over" data-testid="drop-overlay">
          <span>{locked ? `${name} takes no messages now` : `Attach to the message to ${name}`}</span>
        </div>
      )}
    </div>
  );
}
