// The Files tab: the folders of a workspace, one level at a time, and the file that is open (spec chapter 50 §7.9).
// Drafts outlive the tab; reading and saving one file is file-view.tsx'.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import {
  ChevronRight,
  File,
  FilePlus2,
  Folder,
  FolderPlus,
  FolderUp,
  MoreHorizontal,
  Pencil,
  Trash2,
  Upload,
} from 'lucide-react';
import { Fragment, useState } from 'react';
import { api } from '../../app/api.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import {
  Button,
  Delayed,
  formatBytes,
  Icon,
  IconButton,
  Menu,
  type MenuGroups,
  Skeleton,
  Tabs,
} from '../../ui/index.ts';
import { useTabState } from '../tab-state.ts';
import { FileView } from './file-view.tsx';
import { EmptyFolderDialog, MovePathDialog, NewFileDialog, NewFolderDialog } from './folder-dialogs.tsx';
import { FIRST_PLACE, isWritable, listFolders, nameOf, type Place, ROOTS } from './place.ts';
import { chooseFiles, UploadDialog } from './upload-dialog.tsx';
import type { Chosen } from './upload-plan.ts';
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

/** What is asked about the folder that is shown. */
type Asked = { kind: 'file' | 'folder' | 'rename' | 'empty' } | { kind: 'upload'; chosen: readonly Chosen[] };

function listFolderActions(folder: string, ask: (asked: Asked) => void): MenuGroups {
  const upload = (kind: 'files' | 'folder') => chooseFiles(kind, (chosen) => ask({ kind: 'upload', chosen }));
  const isRoot = folder === '';
  return [
    [
      { id: 'new-file', label: 'New file…', icon: FilePlus2, onSelect: () => ask({ kind: 'file' }) },
      { id: 'new-folder', label: 'New folder…', icon: FolderPlus, onSelect: () => ask({ kind: 'folder' }) },
    ],
    [
      { id: 'upload-files', label: 'Upload files…', icon: Upload, onSelect: () => upload('files') },
      { id: 'upload-folder', label: 'Upload a folder…', icon: FolderUp, onSelect: () => upload('folder') },
    ],
    [
      ...(isRoot
        ? []
        : [{ id: 'rename', label: 'Rename or move…', icon: Pencil, onSelect: () => ask({ kind: 'rename' as const }) }]),
      {
        id: 'empty',
        label: isRoot ? 'Clear /configs…' : 'Delete its files…',
        icon: Trash2,
        danger: true,
        onSelect: () => ask({ kind: 'empty' }),
      },
    ],
  ];
}

const folderOf = (path: string) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');

export function FilesTab({ node }: { node: WorkspaceNode }) {
  const [place, setPlace] = useTabState<Place>(`${node.id}.files.place`, FIRST_PLACE);
  const [asked, setAsked] = useState<Asked | null>(null);
  const { canWrite } = useConnection();
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: ['files', node.id] });
  const close = () => setAsked(null);
  const goTo = (folder: string) => setPlace({ ...place, folder, file: null });
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
          <Crumbs place={place} onGo={goTo} />
          {!isWritable(place.root) && <span className="tag line">Read only</span>}
          {isWritable(place.root) && place.file === null && (
            <>
              <IconButton label="New file" small disabled={!canWrite} onClick={() => setAsked({ kind: 'file' })}>
                <Icon of={FilePlus2} small />
              </IconButton>
              <Menu groups={listFolderActions(place.folder, setAsked)}>
                <IconButton label="Folder actions" small disabled={!canWrite}>
                  <Icon of={MoreHorizontal} small />
                </IconButton>
              </Menu>
            </>
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
            onMoved={(file) => setPlace({ ...place, folder: folderOf(file), file })}
          />
        )}
      </div>
      {asked?.kind === 'file' && (
        <NewFileDialog
          folder={place.folder}
          onClose={close}
          onCreate={(path) => setPlace({ ...place, folder: folderOf(path), file: path })}
        />
      )}
      {asked?.kind === 'folder' && <NewFolderDialog folder={place.folder} onClose={close} onCreate={goTo} />}
      {asked?.kind === 'rename' && (
        <MovePathDialog
          node={node}
          path={place.folder}
          onClose={close}
          onMoved={(folder) => {
            goTo(folder);
            void refresh();
          }}
        />
      )}
      {asked?.kind === 'empty' && (
        <EmptyFolderDialog node={node} folder={place.folder} onClose={close} onEmptied={() => void refresh()} />
      )}
      {asked?.kind === 'upload' && (
        <UploadDialog
          node={node}
          folder={place.folder}
          chosen={asked.chosen}
          onClose={close}
          onUploaded={() => void refresh()}
        />
      )}
    </div>
  );
}
