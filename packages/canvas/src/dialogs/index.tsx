// Draws the dialog that is open. Each has a boundary of its own through the app's.

import { useEffect, useRef } from 'react';
import { SHORTCUTS } from '../app/use-keyboard.ts';
import { focusSomeCard } from '../canvas/focus.ts';
import { Dialog, Kbd } from '../ui/index.ts';
import { BundleResultDialog } from './bundles/bundle-result-dialog.tsx';
import { ConnectDialog } from './connect/connect-dialog.tsx';
import { RotateDialog } from './connect/rotate-dialog.tsx';
import { ConnectModelDialog } from './connect-model-dialog.tsx';
import { CreateDialog } from './create-dialog.tsx';
import { DeleteDialog } from './delete-dialog.tsx';
import { DeleteManyDialog } from './delete-many-dialog.tsx';
import { closeDialog, type DialogRequest, useDialogs } from './dialog-store.ts';
import { GiveModelDialog } from './give-model-dialog.tsx';
import { ImportDialog } from './import/import-dialog.tsx';
import { DissolveDialog, HibernateDialog, PauseDialog, PauseManyDialog } from './lifecycle-dialogs.tsx';
import { MoveDialog } from './move-dialog.tsx';
import { SearchDialog } from './search-dialog.tsx';
import { SettingsDialog } from './settings/settings-dialog.tsx';
import { ExtractDialog, RenameDialog } from './workspace-dialogs.tsx';
import './dialogs.css';

function ShortcutsDialog() {
  return (
    <Dialog title="Keyboard" width={680} onClose={closeDialog}>
      <dl className="keys">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={keys}>
            <dt>
              <Kbd keys={keys} />
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function Opened({ request }: { request: DialogRequest }) {
  switch (request.kind) {
    case 'create':
      return <CreateDialog {...request} />;
    case 'delete':
      return <DeleteDialog id={request.id} />;
    case 'delete-many':
      return <DeleteManyDialog ids={request.ids} onDone={request.onDone} />;
    case 'pause':
      return <PauseDialog id={request.id} />;
    case 'pause-many':
      return <PauseManyDialog ids={request.ids} onConfirm={request.onConfirm} />;
    case 'hibernate':
      return <HibernateDialog id={request.id} tasks={request.tasks} />;
    case 'dissolve':
      return <DissolveDialog id={request.id} />;
    case 'rotate':
      return <RotateDialog id={request.id} />;
    case 'give-model':
      return <GiveModelDialog />;
    case 'rename':
      return <RenameDialog id={request.id} />;
    case 'move':
      return <MoveDialog ids={[request.id]} />;
    case 'move-many':
      return <MoveDialog ids={request.ids} onDone={request.onDone} />;
    case 'extract':
      return <ExtractDialog id={request.id} />;
    case 'import':
      return <ImportDialog dir={request.dir} />;
    case 'bundle-result':
      return <BundleResultDialog file={request.file} root={request.root} />;
    case 'connect-model':
      return <ConnectModelDialog wanted={request.key} />;
    case 'connect':
      return <ConnectDialog id={request.id} fresh={request.connection} />;
    case 'settings':
      return <SettingsDialog />;
    case 'search':
      return <SearchDialog />;
    case 'shortcuts':
      return <ShortcutsDialog />;
  }
}

/** A dialog opened from a menu has no button to give the focus back to; it goes to the card it was about. */
function useFocusReturn(request: DialogRequest | null): void {
  const last = useRef<string | null>(null);
  useEffect(() => {
    if (request) {
      last.current = 'id' in request ? request.id : null;
      return;
    }
    const frame = requestAnimationFrame(() => {
      if (last.current !== null && document.activeElement === document.body) focusSomeCard(last.current);
      last.current = null;
    });
    return () => cancelAnimationFrame(frame);
  }, [request]);
}

export function Dialogs() {
  const request = useDialogs((state) => state.open);
  useFocusReturn(request);
  return request ? <Opened key={JSON.stringify(request)} request={request} /> : null;
}
