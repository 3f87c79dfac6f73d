// Chosen files before they go up: what is written, what it replaces, and what is left out and why.

import { useQuery } from '@tanstack/react-query';
import type { WorkspaceNode } from '../../live/index.ts';
import { ConfirmDialog, plural, Skeleton, toast } from '../../ui/index.ts';
import { listAllFiles, writeFiles } from './folder-work.ts';
import { type Chosen, planUpload } from './upload-plan.ts';

/** Opens the browser's own choice of files, or of one folder with everything in it. */
export function chooseFiles(kind: 'files' | 'folder', onChosen: (chosen: Chosen[]) => void): void {
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = true;
  input.webkitdirectory = kind === 'folder';
  input.onchange = () => {
    const files = [...(input.files ?? [])];
    if (files.length > 0) onChosen(files.map((file) => ({ path: file.webkitRelativePath || file.name, file })));
  };
  input.click();
}

interface ListProps {
  label: string;
  testId: string;
  lines: readonly { path: string; note: string }[];
}

function Lines({ label, testId, lines }: ListProps) {
  if (lines.length === 0) return null;
  return (
    <div className="upload-part" data-testid={testId}>
      <h3 className="h-label">{label}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled list has to be reached by keyboard */}
      <ul className="victims scroll" aria-label={label} tabIndex={0}>
        {lines.map(({ path, note }) => (
          <li key={path} className="row">
            <span className="clip grow">{path}</span>
            <span className="muted">{note}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export interface UploadDialogProps {
  node: WorkspaceNode;
  folder: string;
  chosen: readonly Chosen[];
  onUploaded(): void;
  onClose(): void;
}

export function UploadDialog({ node, folder, chosen, onUploaded, onClose }: UploadDialogProps) {
  const plan = useQuery({
    queryKey: ['files', node.id, 'upload', folder, chosen],
    queryFn: async () => {
      const [{ files, skipped }, there] = await Promise.all([
        planUpload(folder, chosen),
        listAllFiles(node.id, '/configs', folder),
      ]);
      const taken = new Set(there);
      const written = Object.keys(files).map((path) => ({ path, note: taken.has(path) ? 'replaced' : 'new' }));
      return { files, written, skipped: skipped.map(({ path, reason }) => ({ path, note: reason })) };
    },
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  const count = plan.data?.written.length ?? 0;
  return (
    <ConfirmDialog
      title={`Upload to /configs${folder === '' ? '' : `/${folder}`}`}
      lead="The agent reads them when it starts next."
      action={count > 0 ? `Upload ${plural(count, 'file')}` : 'Upload'}
      disabled={count === 0}
      onConfirm={async () => {
        await writeFiles(node.id, plan.data?.files ?? {});
        toast.success(`${plural(count, 'file')} uploaded`);
        onUploaded();
      }}
      onClose={onClose}
    >
      {plan.isPending && <Skeleton width="60%" />}
      {plan.isError && (
        <div className="note bad" role="alert">
          The folder could not be read: {plan.error.message}
        </div>
      )}
      {plan.data && count === 0 && <p>None of the files can be uploaded.</p>}
      <Lines label="To upload" testId="upload-written" lines={plan.data?.written ?? []} />
      <Lines label="Left out" testId="upload-skipped" lines={plan.data?.skipped ?? []} />
    </ConfirmDialog>
  );
}
