// A menu of actions, from a button or at a point (context menu). Items show their keys.

import type { LucideIcon } from 'lucide-react';
import { DropdownMenu as Radix } from 'radix-ui';
import type { ReactElement, ReactNode } from 'react';
import { Icon } from './icon.tsx';
import { Kbd } from './kbd.tsx';

export interface MenuItem {
  id: string;
  label: ReactNode;
  icon?: LucideIcon;
  shortcut?: string;
  danger?: boolean;
  /** Why it cannot be used now. */
  disabledReason?: string;
  onSelect(): void;
}
/** Groups are divided by a hairline. */
export type MenuGroups = readonly (readonly MenuItem[])[];

function Items({ groups }: { groups: MenuGroups }) {
  return groups
    .filter((group) => group.length > 0)
    .map((group, index) => (
      <Radix.Group key={group[0]?.id ?? index}>
        {index > 0 && <Radix.Separator className="hr" />}
        {group.map((item) => (
          <Radix.Item
            key={item.id}
            className={`menu-item ${item.danger ? 'bad' : ''}`}
            disabled={item.disabledReason !== undefined}
            title={item.disabledReason}
            onSelect={() => item.onSelect()}
          >
            {item.icon && <Icon of={item.icon} />}
            <span>{item.label}</span>
            {item.shortcut && <Kbd keys={item.shortcut} />}
          </Radix.Item>
        ))}
      </Radix.Group>
    ));
}

export interface MenuProps {
  groups: MenuGroups;
  /** The button that opens it. */
  children: ReactElement;
  align?: 'start' | 'end';
}

export function Menu({ groups, children, align = 'end' }: MenuProps) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="menu" align={align} sideOffset={6} collisionPadding={8}>
          <Items groups={groups} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export interface MenuAtProps {
  groups: MenuGroups;
  /** Client coordinates. */
  point: { x: number; y: number };
  label: string;
  onClose(): void;
}

/** A context menu at a point; focus returns to `returnFocus` through the caller's onClose. */
export function MenuAt({ groups, point, label, onClose }: MenuAtProps) {
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Trigger asChild>
        <span style={{ position: 'fixed', left: point.x, top: point.y, width: 1, height: 1 }} aria-hidden="true" />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          className="menu"
          align="start"
          sideOffset={2}
          collisionPadding={8}
          aria-label={label}
          onCloseAutoFocus={(event) => event.preventDefault()}
        >
          <Items groups={groups} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
