// A file of a message: a picture or a chip. Downloaded through the platform, opened when it is on the web, inert otherwise.

import { Eye, FileText } from 'lucide-react';
import { lazy, type MouseEvent, Suspense, useState } from 'react';
import { formatBytes, Icon, IconButton } from '../../../ui/index.ts';
import type { ChatFile } from '../turns.ts';
import { addressOf, previewKindOf } from './addresses.ts';
import { saveFile } from './downloads.ts';

const Preview = lazy(() => import('./preview.tsx').then((module) => ({ default: module.Preview })));

function Inside({ file }: { file: ChatFile }) {
  return (
    <>
      <Icon of={FileText} small />
      <span className="clip">{file.name}</span>
      {file.size !== undefined && <span className="muted num">{formatBytes(file.size)}</span>}
    </>
  );
}

/** Small enough to be shown without being asked for; of unknown size only on request. */
const isShownAtOnce = (file: ChatFile) => previewKindOf(file) === 'image' && file.size !== undefined;

function OwnFile({ file, path }: { file: ChatFile; path: string }) {
  const [isOpen, setOpen] = useState(false);
  const [isBroken, setBroken] = useState(false);
  const kind = previewKindOf(file);
  const isPictured = isShownAtOnce(file) && !isBroken;
  const save = (event: MouseEvent) => {
    event.preventDefault();
    void saveFile(path, file.name);
  };
  return (
    <span className="file-group">
      {isPictured && (
        <button type="button" className="picture" aria-label={`Show ${file.name}`} onClick={() => setOpen(true)}>
          <img src={path} alt={file.name} loading="lazy" onError={() => setBroken(true)} />
        </button>
      )}
      <span className="row file-row">
        <a className="file" download={file.name} href={path} onClick={save}>
          <Inside file={file} />
        </a>
        {kind && !isPictured && (
          <IconButton small label={`Preview ${file.name}`} onClick={() => setOpen(true)}>
            <Icon of={Eye} small />
          </IconButton>
        )}
      </span>
      {isOpen && kind && (
        <Suspense fallback={null}>
          <Preview file={file} path={path} kind={kind} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </span>
  );
}

export function FileChip({ workspaceId, file }: { workspaceId: string; file: ChatFile }) {
  const address = addressOf(workspaceId, file.uri);
  switch (address.is) {
    case 'ours':
      return <OwnFile file={file} path={address.path} />;
    case 'web':
      return (
        <a className="file" href={address.url} target="_blank" rel="noopener noreferrer" title={address.url}>
          <Inside file={file} />
        </a>
      );
    case 'inert':
      return (
        <span className="file" title="This address cannot be opened from here">
          <Inside file={file} />
        </span>
      );
  }
}
