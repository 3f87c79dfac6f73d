// What came of an imported bundle when part of it failed: everyone in it, and why some did not come up.

import type { ImportedBundle } from '@molecule/contract';
import { listImported } from '../../commands/bundle-files.ts';
import { getWorkspace, select } from '../../live/index.ts';
import { Button, Dialog, plural, StatusGlyph, toSentence } from '../../ui/index.ts';
import { closeDialog } from '../dialog-store.ts';
import './bundles.css';

function Entry({ of: { name, status, error, workspace_id: id } }: { of: ImportedBundle }) {
  const isThere = id !== null && getWorkspace(id) !== undefined;
  return (
    <li data-testid="bundle-entry" data-status={status}>
      <div className="row bundle-name">
        <StatusGlyph status={status} size={10} />
        <span className="clip grow">{name}</span>
        {status === 'failed' && isThere && (
          <Button
            size="sm"
            onClick={() => {
              closeDialog();
              select(id, 'details');
            }}
          >
            Open
          </Button>
        )}
      </div>
      {status === 'failed' && <p className="bundle-error">{toSentence(error ?? 'No details reported')}</p>}
    </li>
  );
}

export function BundleResultDialog({ file, root }: { file: string; root: ImportedBundle }) {
  const all = listImported(root);
  const failed = all.filter(({ status }) => status === 'failed').length;
  return (
    <Dialog
      title={`${failed} of ${plural(all.length, 'workspace')} did not come up`}
      lead={`From ${file}. What was made stays; a retry is offered on each card.`}
      testId="bundle-result"
      onClose={closeDialog}
      footer={
        <Button size="lg" look="line" data-autofocus="" onClick={closeDialog}>
          Close
        </Button>
      }
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled list has to be reached by keyboard */}
      <ul className="bundle-list scroll" aria-label="Workspaces" tabIndex={0}>
        {all.map((entry, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes, and one that failed may have no id
          <Entry key={index} of={entry} />
        ))}
      </ul>
    </Dialog>
  );
}
