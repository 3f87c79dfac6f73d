// Dialogs, drawers and the confirm dialog: focus is trapped and returned, Esc closes, the destructive choice is never focused first.

import { X } from 'lucide-react';
import { Dialog as Radix } from 'radix-ui';
import { type ReactNode, useRef, useState } from 'react';
import { Button, IconButton } from './button.tsx';
import { Icon } from './icon.tsx';

export interface DialogProps {
  title: ReactNode;
  /** One sentence below the title. */
  lead?: ReactNode;
  children?: ReactNode;
  /** Buttons, right-aligned; Cancel first, the action last. */
  footer?: ReactNode;
  width?: number;
  kind?: 'dialog' | 'drawer';
  testId?: string;
  /** Called for every way out; whoever rendered the dialog takes it away, or keeps it. */
  onClose(): unknown;
}

export function Dialog({ title, lead, children, footer, width = 480, kind = 'dialog', testId, onClose }: DialogProps) {
  const content = useRef<HTMLDivElement>(null);
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="scrim" />
        <Radix.Content
          ref={content}
          className={kind}
          style={{ width }}
          data-testid={testId}
          aria-describedby={undefined}
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            // Else the dialog itself: a focused Close button would show its tooltip, which takes the first Esc.
            const wanted = content.current?.querySelector<HTMLElement>('[data-autofocus]') ?? content.current;
            wanted?.focus();
          }}
        >
          {kind === 'drawer' ? (
            <div className="d-head">
              <Radix.Title className="grow clip">{title}</Radix.Title>
              <CloseButton onClose={onClose} />
            </div>
          ) : (
            <div className="dialog-h">
              <div className="grow">
                <Radix.Title>{title}</Radix.Title>
                {lead && <p>{lead}</p>}
              </div>
              <CloseButton onClose={onClose} />
            </div>
          )}
          {children && (kind === 'drawer' ? children : <div className="dialog-b">{children}</div>)}
          {footer && <div className="dialog-f">{footer}</div>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function CloseButton({ onClose }: { onClose(): unknown }) {
  return (
    <IconButton label="Close" onClick={() => onClose()}>
      <Icon of={X} />
    </IconButton>
  );
}

export interface ConfirmProps {
  title: ReactNode;
  lead?: ReactNode;
  children?: ReactNode;
  action: string;
  danger?: boolean;
  disabled?: boolean;
  /** The dialog stays open, locked, until it settles; a rejection is shown inside. */
  onConfirm(): Promise<unknown> | unknown;
  onClose(): void;
}

export function ConfirmDialog({ title, lead, children, action, danger, disabled, onConfirm, onClose }: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  async function confirm() {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setBusy(false);
    }
  }
  return (
    <Dialog
      title={title}
      lead={lead}
      onClose={onClose}
      footer={
        <>
          <Button size="lg" look="line" data-autofocus={danger ? '' : undefined} onClick={onClose}>
            Cancel
          </Button>
          <Button
            size="lg"
            look={danger ? 'danger' : 'primary'}
            data-autofocus={danger ? undefined : ''}
            data-testid="confirm-ok"
            busy={busy}
            disabled={disabled}
            onClick={() => void confirm()}
          >
            {action}
          </Button>
        </>
      }
    >
      {(children || error) && (
        <>
          {children}
          {error && (
            <div className="note bad" role="alert">
              {error}
            </div>
          )}
        </>
      )}
    </Dialog>
  );
}
