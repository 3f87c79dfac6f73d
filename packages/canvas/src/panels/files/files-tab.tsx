// The Files tab: the folders of a workspace, one level at a time, and the file that is open (spec chapter 50 §7.9).
// Drafts outlive the tab; reading and saving one file is file-view.tsx'.

import { useQuery } from '@tanstack/react-query';
import { ChevronRight, File, FilePlus2, Folder } from 'lucide-react';
import { Fragment, useState } from 'react';
import { api } from '../../app/api.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Delayed, Dialog, formatBytes, Icon, IconButton, Skeleton, Tabs, TextField } from '../../ui/index.ts';
import { useTabState } from '../tab-state.ts';
import { FileView } from './file-view.tsx';
import { FIRST_PLACE, isWritable, join, listFolders, nameOf, type Place, ROOTS, refuseName } from './place.ts';
import './files.css';

const ROOT_TABS = ROOTS.map((root) => ({ id: root, label: root }));

function Crumbs({ place, onGo }: { place: Place; onGo(folder: string): void }) {
  const folders = listFolders(place.folder);
  return (
    <nav className="crumbs grow" aria-label="Folders">
      <button type="button" className="link" onClick={() => onGo('')}>
        {place.root.slice(1)}
      </button>
      {folders.map(({ name, path }) => (
        <Fragment key={path}>
          <Icon of={ChevronRight} small />
          <button type="button" className="link clip" onClick={() => onGo(path)}>
            {name}
          </button>
        </Fragment>
      ))}
      {place.file !== null && (
        <>
          <Icon of={ChevronRight} small />
          <b className="clip">{nameOf(place.file)}</b>
        </>
      )}
    </nav>
  );
}

function NewFileDialog({
  folder,
  onCreate,
  onClose,
}: {
  folder: string;
  onCreate(path: string): void;
  onClose(): void;
}) {
  const [name, setName] = useState('');
  const [isTried, setTried] = useState(false);
  const refusal = refuseName(name);
  const create = () => {
    setTried(true);
    if (refusal === null) onCreate(join(folder, name));
  };
  return (
    <Dialog
      title="New file"
      onClose={onClose}
      footer={
        <>
          <Button size="lg" look="line" onClick={onClose}>
            Cancel
          </Button>
          <Button size="lg" look="primary" onClick={create}>
            Create
          </Button>
        </>
      }
    >
      <TextField
        label={`Name, below /configs${folder === '' ? '' : `/${folder}`}`}
        hint="With slashes for folders of its own: notes/today.md"
        error={isTried ? refusal : null}
        value={name}
        data-autofocus=""
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && create()}
      />
    </Dialog>
  );
}

function Listing({ node, place, onGo }: { node: WorkspaceNode; place: Place; onGo(place: Place): void }) {
  const listing = useQuery({
    queryKey: ['files', node.id, place.root, place.folder],
    queryFn: () => api.listFiles({ params: { id: node.id }, query: { root: place.root, path: place.folder } }),
  });
  if (listing.isPending)
    return (
      <Delayed>
        <div className="file-rows">
          <Skeleton width="60%" height={14} />
          <Skeleton width="45%" height={14} />
        </div>
      </Delayed>
    );
  if (listing.isError)
    return (
      <div className="tab-empty" role="alert">
        <p>{`The folder could not be read: ${listing.error.message}`}</p>
        <Button size="sm" look="line" onClick={() => void listing.refetch()}>
          Retry
        </Button>
      </div>
    );
  const entries = [...listing.data].sort((a, b) => Number(b.dir) - Number(a.dir) || a.path.localeCompare(b.path));
  if (entries.length === 0)
    return (
      <div className="tab-empty">
        <p>{place.folder === '' ? `${place.root} is empty.` : 'This folder is empty.'}</p>
      </div>
    );
  return (
    <ul className="file-rows scroll">
      {entries.map(({ path, dir, size }) => (
        <li key={path}>
          <button
            type="button"
            className="file-row"
            data-testid="file-row"
            onClick={() => onGo(dir ? { ...place, folder: path } : { ...place, file: path })}
          >
            <Icon of={dir ? Folder : File} small />
            <span className="grow clip">{nameOf(path)}</span>
            {dir ? <Icon of={ChevronRight} small /> : <span className="muted num">{formatBytes(size)}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}

export function FilesTab({ node }: { node: WorkspaceNode }) {
  const [place, setPlace] = useTabState<Place>(`${node.id}.files.place`, FIRST_PLACE);
  const [isCreating, setCreating] = useState(false);
  const { canWrite } = useConnection();
  return (
    <div className="folders">
      <div className="folders-roots">
        <Tabs
          tabs={ROOT_TABS}
          active={place.root}
          label="Folders of the workspace"
          look="seg"
          onChange={(root) => setPlace({ root, folder: '', file: null })}
        />
      </div>
      <div className="folders" role="tabpanel" id={`panel-${place.root}`} aria-label={place.root}>
        <div className="folders-bar">
          <Crumbs place={place} onGo={(folder) => setPlace({ ...place, folder, file: null })} />
          {!isWritable(place.root) && <span className="tag line">Read only</span>}
          {isWritable(place.root) && place.file === null && (
            <IconButton label="New file" small disabled={!canWrite} onClick={() => setCreating(true)}>
              <Icon of={FilePlus2} small />
            </IconButton>
          )}
        </div>
        {place.file === null ? (
          <Listing node={node} place={place} onGo={setPlace} />
        ) : (
          <FileView
            key={`${place.root}/${place.file}`}
            node={node}
            root={place.root}
            path={place.file}
            onLeave={() => setPlace({ ...place, file: null })}
          />
        )}
      </div>
      {isCreating && (
        <NewFileDialog
          folder={place.folder}
          onClose={() => setCreating(false)}
          onCreate={(path) => {
            setCreating(false);
            setPlace({ ...place, folder: path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '', file: path });
          }}
        />
      )}
    </div>
  );
}
