// A button that copies a text and says so for two seconds.

import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Button, IconButton } from './button.tsx';
import { copyText } from './clipboard.ts';
import { Icon } from './icon.tsx';
import { toast } from './toast.tsx';

const SHOWN_MS = 2_000;

export function useCopy(onCopied?: () => void): [copied: boolean, copy: (text: string) => void] {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (text: string) =>
    void copyText(text).then((done) => {
      if (!done) return toast.error('The browser did not allow copying');
      setCopied(true);
      onCopied?.();
    });
  return [copied, copy];
}

export interface CopyButtonProps {
  /** What it copies; a function is asked at the click. */
  text: string | (() => string);
  /** Accessible name of the icon form; with `words` the button shows text instead. */
  label: string;
  words?: string;
  look?: 'plain' | 'primary' | 'line';
  size?: 'sm' | 'lg';
  className?: string | undefined;
  /** Called once the text is in the clipboard. */
  onCopied?: (() => void) | undefined;
}

export function CopyButton({ text, label, words, look = 'line', size = 'sm', className, onCopied }: CopyButtonProps) {
  const [copied, copy] = useCopy(onCopied);
  const onClick = () => copy(typeof text === 'function' ? text() : text);
  const icon = <Icon of={copied ? Check : Copy} small />;
  if (!words)
    return (
      <IconButton small label={copied ? 'Copied' : label} className={className} onClick={onClick}>
        {icon}
      </IconButton>
    );
  return (
    <Button look={look} size={size} className={className} onClick={onClick}>
      {icon}
      {copied ? 'Copied' : words}
    </Button>
  );
}
