// Toasts: short facts about something that just happened. Errors stay until closed, identical ones are counted.

import { Check, Info, X } from 'lucide-react';
import { Toaster as Sonner, toast as sonner } from 'sonner';
import { Button, IconButton } from './button.tsx';
import { Icon } from './icon.tsx';
import { StatusGlyph } from './status.tsx';

const SHOWN_MS = 4_000;
const MOST = 5;

type Kind = 'success' | 'info' | 'error';
export interface ToastAction {
  label: string;
  run(): void;
}

const counts = new Map<string, number>();

function show(kind: Kind, text: string, action?: ToastAction): void {
  const id = `${kind}:${text}`;
  const count = (counts.get(id) ?? 0) + 1;
  counts.set(id, count);
  const forget = () => void counts.delete(id);
  sonner.custom(
    () => (
      <div className="toast" data-testid="toast" data-kind={kind} role={kind === 'error' ? 'alert' : 'status'}>
        {kind === 'error' ? (
          <StatusGlyph status="failed" />
        ) : (
          <Icon of={kind === 'success' ? Check : Info} small className="muted" />
        )}
        <span className="grow">{text}</span>
        {count > 1 && <span className="count">×{count}</span>}
        {action && (
          <Button
            size="sm"
            onClick={() => {
              sonner.dismiss(id);
              forget();
              action.run();
            }}
          >
            {action.label}
          </Button>
        )}
        <IconButton small label="Dismiss" onClick={() => sonner.dismiss(id)}>
          <Icon of={X} small />
        </IconButton>
      </div>
    ),
    { id, duration: kind === 'error' ? Number.POSITIVE_INFINITY : SHOWN_MS, onDismiss: forget, onAutoClose: forget },
  );
}

export const toast = {
  success: (text: string, action?: ToastAction) => show('success', text, action),
  info: (text: string, action?: ToastAction) => show('info', text, action),
  error: (text: string, action?: ToastAction) => show('error', text, action),
};

export function Toaster() {
  return <Sonner position="bottom-center" visibleToasts={MOST} gap={8} offset={16} expand />;
}
