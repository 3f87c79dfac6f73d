// A file shown over the page: pictures as they are, texts as text, never as a document of their own. Loaded when first wanted.

import { useEffect, useState } from 'react';
import { Button, Dialog, formatBytes, Skeleton } from '../../../ui/index.ts';
import type { ChatFile } from '../turns.ts';
import { imageTypeOf, MOST_PREVIEW_BYTES, type PreviewKind } from './addresses.ts';
import { fetchFile, saveFile } from './downloads.ts';

/** More is slow to lay out and nobody reads it here. */
const MOST_CHARACTERS = 400_000;

type Shown = { is: 'loading' } | { is: 'picture'; url: string } | { is: 'text'; text: string } | Failed;
type Failed = { is: 'failed'; why: string };

/** The type of a picture is the one its name has: the agent's word does not decide how the browser reads it. */
async function read(blob: Blob, file: ChatFile, kind: PreviewKind): Promise<Shown> {
  if (blob.size > MOST_PREVIEW_BYTES)
    return { is: 'failed', why: `It is ${formatBytes(blob.size)}; download it to open it.` };
  if (kind === 'text') return { is: 'text', text: await blob.text() };
  return { is: 'picture', url: URL.createObjectURL(new Blob([blob], { type: imageTypeOf(file) ?? 'image/png' })) };
}

function useContent(file: ChatFile, path: string, kind: PreviewKind): Shown {
  const [shown, setShown] = useState<Shown>({ is: 'loading' });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path names the file
  useEffect(() => {
    const stop = new AbortController();
    let url: string | null = null;
    fetchFile(path, stop.signal)
      .then((blob) => read(blob, file, kind))
      .catch((error: Error): Failed => ({ is: 'failed', why: error.message }))
      .then((next) => {
        if (next.is === 'picture') url = next.url;
        if (!stop.signal.aborted) setShown(next);
        else if (url) URL.revokeObjectURL(url);
      });
    return () => {
      stop.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [path, kind]);
  return shown;
}

function Content({ file, shown }: { file: ChatFile; shown: Shown }) {
  switch (shown.is) {
    case 'loading':
      return <Skeleton width="100%" height={240} />;
    case 'picture':
      return <img className="lightbox" src={shown.url} alt={file.name} />;
    case 'text':
      return (
        <>
          <pre className="code text-preview">{shown.text.slice(0, MOST_CHARACTERS)}</pre>
          {shown.text.length > MOST_CHARACTERS && <p className="muted">The rest is in the download.</p>}
        </>
      );
    case 'failed':
      return (
        <p className="note bad" role="alert">
          {file.name} could not be shown. {shown.why}
        </p>
      );
  }
}

export interface PreviewProps {
  file: ChatFile;
  path: string;
  kind: PreviewKind;
  onClose(): void;
}

export function Preview({ file, path, kind, onClose }: PreviewProps) {
  return (
    <Dialog
      title={file.name}
      width={kind === 'image' ? 960 : 760}
      testId="file-preview"
      onClose={onClose}
      footer={
        <Button size="lg" look="line" onClick={() => void saveFile(path, file.name)}>
          Download
        </Button>
      }
    >
      <Content file={file} shown={useContent(file, path, kind)} />
    </Dialog>
  );
}
