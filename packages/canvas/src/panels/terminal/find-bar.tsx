// Finding in what a terminal has printed.

import { ChevronDown, ChevronUp, X } from 'lucide-react';
import { useState } from 'react';
import { Icon, IconButton, TextField } from '../../ui/index.ts';

interface FindBarProps {
  /** @returns whether there is such a place. */
  onFind(text: string, direction: 'next' | 'previous'): boolean;
  onClose(): void;
}

export function FindBar({ onFind, onClose }: FindBarProps) {
  const [text, setText] = useState('');
  const [isMissing, setMissing] = useState(false);
  const find = (direction: 'next' | 'previous', wanted = text) =>
    setMissing(wanted !== '' && !onFind(wanted, direction));
  return (
    <search className="term-find">
      <TextField
        bare
        label="Find in the terminal"
        placeholder="Find"
        value={text}
        autoFocus
        onChange={(event) => {
          setText(event.target.value);
          find('previous', event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') find(event.shiftKey ? 'next' : 'previous');
          else if (event.key === 'Escape') onClose();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <span className="muted grow" role="status">
        {isMissing ? 'Nothing found' : ''}
      </span>
      <IconButton label="Further up" shortcut="Enter" small onClick={() => find('previous')}>
        <Icon of={ChevronUp} small />
      </IconButton>
      <IconButton label="Further down" shortcut="Shift Enter" small onClick={() => find('next')}>
        <Icon of={ChevronDown} small />
      </IconButton>
      <IconButton label="Close the search" shortcut="Esc" small onClick={onClose}>
        <Icon of={X} small />
      </IconButton>
    </search>
  );
}
