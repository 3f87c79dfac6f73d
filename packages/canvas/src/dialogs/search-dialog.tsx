// ⌘K: finds a workspace, or runs a command (`>`).

import { Command } from 'cmdk';
import { useState } from 'react';
import { revealNode } from '../canvas/camera.ts';
import { listCommands } from '../commands/index.ts';
import { select, useWorkspaces } from '../live/index.ts';
import { Dialog, Icon, Kbd, StatusGlyph, statusLabel } from '../ui/index.ts';
import { closeDialog, openDialog } from './dialog-store.ts';

export function SearchDialog() {
  const workspaces = useWorkspaces();
  const [text, setText] = useState('');
  const onlyCommands = text.startsWith('>');

  function run(action: () => void) {
    closeDialog();
    action();
  }

  return (
    <Dialog title="Search" width={560} testId="search" onClose={closeDialog}>
      <Command
        label="Search"
        className="palette"
        shouldFilter
        filter={(value, search) =>
          value.toLowerCase().includes(search.replace(/^>/, '').trim().toLowerCase()) ? 1 : 0
        }
      >
        <Command.Input
          data-autofocus=""
          className="palette-input"
          placeholder="A workspace, or > for commands"
          value={text}
          onValueChange={setText}
        />
        <Command.List className="palette-list scroll">
          <Command.Empty className="palette-empty">
            Nothing found.{' '}
            {!onlyCommands && text.trim() && (
              <button type="button" className="link" onClick={() => openDialog({ kind: 'create', name: text.trim() })}>
                Create “{text.trim()}”
              </button>
            )}
          </Command.Empty>
          {!onlyCommands && (
            <Command.Group heading="Workspaces">
              {workspaces.map((node) => (
                <Command.Item
                  key={node.id}
                  className="menu-item"
                  value={`${node.name} ${node.role ?? ''} ${node.status} ${node.runtime} ${node.id}`}
                  onSelect={() =>
                    run(() => {
                      select(node.id, 'details');
                      revealNode(node.id);
                    })
                  }
                >
                  <StatusGlyph status={node.status} />
                  <span className="clip">{node.name}</span>
                  <span className="muted">{statusLabel(node.status)}</span>
                </Command.Item>
              ))}
            </Command.Group>
          )}
          <Command.Group heading="Commands">
            {listCommands().map((command) => (
              <Command.Item
                key={command.id}
                className="menu-item"
                value={`> ${String(command.label)}`}
                onSelect={() => run(command.onSelect)}
              >
                {command.icon && <Icon of={command.icon} />}
                <span>{command.label}</span>
                {command.shortcut && <Kbd keys={command.shortcut} />}
              </Command.Item>
            ))}
          </Command.Group>
        </Command.List>
      </Command>
    </Dialog>
  );
}
