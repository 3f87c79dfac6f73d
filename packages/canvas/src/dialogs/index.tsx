// Draws the dialog that is open. Each has a boundary of its own through the app's.

import { useState } from 'react';
import { SHORTCUTS } from '../app/use-keyboard.ts';
import { Button, Dialog, Kbd } from '../ui/index.ts';
import { CreateDialog } from './create-dialog.tsx';
import { closeDialog, type DialogRequest, useDialogs } from './dialog-store.ts';
import { ImportDialog } from './import-dialog.tsx';
import { SearchDialog } from './search-dialog.tsx';
import { ConnectModelDialog, SettingsDialog } from './secrets.tsx';
import { DeleteDialog, MoveDialog, RenameDialog } from './workspace-dialogs.tsx';
import './dialogs.css';

function ShortcutsDialog() {
  return (
    <Dialog title="Keyboard" width={520} onClose={closeDialog}>
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

/** Shown once, after an external workspace was created: the token is not stored by this page. */
function ConnectionDialog({ connection }: Extract<DialogRequest, { kind: 'connection' }>) {
  const [copied, setCopied] = useState(false);
  return (
    <Dialog
      title="Connect your agent"
      lead="The token is shown only now. The agent comes online with its first heartbeat."
      width={640}
      testId="connect-modal"
      onClose={closeDialog}
      footer={
        <Button
          size="lg"
          look="primary"
          onClick={() =>
            void navigator.clipboard.writeText(connection.curl_register_template).then(() => setCopied(true))
          }
        >
          {copied ? 'Copied' : 'Copy the command'}
        </Button>
      }
    >
      <dl className="kv">
        <div className="kv-row">
          <dt>Platform</dt>
          <dd className="mono">{connection.platform_url}</dd>
        </div>
        <div className="kv-row">
          <dt>Workspace</dt>
          <dd className="mono">{connection.workspace_id}</dd>
        </div>
        <div className="kv-row">
          <dt>Token</dt>
          <dd className="mono">{connection.auth_token}</dd>
        </div>
      </dl>
      <pre className="code wrap">{connection.curl_register_template}</pre>
    </Dialog>
  );
}

function Opened({ request }: { request: DialogRequest }) {
  switch (request.kind) {
    case 'create':
      return <CreateDialog {...request} />;
    case 'delete':
      return <DeleteDialog id={request.id} />;
    case 'rename':
      return <RenameDialog id={request.id} />;
    case 'move':
      return <MoveDialog id={request.id} />;
    case 'import':
      return <ImportDialog dir={request.dir} />;
    case 'connect-model':
      return <ConnectModelDialog wanted={request.key} />;
    case 'connection':
      return <ConnectionDialog {...request} />;
    case 'settings':
      return <SettingsDialog />;
    case 'search':
      return <SearchDialog />;
    case 'shortcuts':
      return <ShortcutsDialog />;
  }
}

export function Dialogs() {
  const request = useDialogs((state) => state.open);
  return request ? <Opened key={JSON.stringify(request)} request={request} /> : null;
}
