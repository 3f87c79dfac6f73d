// Entries in the width there is: rows that unfold in the side panel, a table beside its detail on the whole page.

import { ChevronDown, ChevronRight, X } from 'lucide-react';
import { Fragment, type ReactNode } from 'react';
import { formatDuration, formatFull, formatTime, formatTimeExact, Icon, IconButton } from '../../ui/index.ts';
import type { Entry } from './activity-rows.ts';
import { EntryDetail, FullTrace, titleOf } from './entry-detail.tsx';
import { KindIcon, kindLabel, StandingMark, withWhom } from './entry-parts.tsx';

export interface EntryListProps {
  workspaceId: string;
  entries: readonly Entry[];
  /** Row id of the entry that is open. */
  openId: string | null;
  onOpen(id: string | null): void;
  /** After the last entry. */
  end: ReactNode;
}

export function EntryRows({ workspaceId, entries, openId, onOpen, end }: EntryListProps) {
  return (
    <div className="act-list scroll">
      {entries.map((entry) => {
        const { row } = entry;
        const isOpen = row.id === openId;
        const whom = withWhom(entry);
        return (
          <Fragment key={row.id}>
            <button
              type="button"
              className="act-row"
              data-testid="activity-row"
              aria-expanded={isOpen}
              onClick={() => onOpen(isOpen ? null : row.id)}
            >
              <KindIcon kind={entry.kind} />
              <span className="act-main">
                <span className="row act-line">
                  <b className="clip">{whom ?? kindLabel(entry.kind)}</b>
                  {whom && <span className="muted">{kindLabel(entry.kind)}</span>}
                  <span className="grow" />
                  <time className="stamp" dateTime={row.created_at} title={formatFull(row.created_at)}>
                    {formatTime(row.created_at)}
                  </time>
                </span>
                <span className="row act-line">
                  <span className="clip grow soft">{entry.summary}</span>
                  <span className="row act-standing">
                    <StandingMark standing={entry.standing} />
                  </span>
                </span>
              </span>
              <Icon of={isOpen ? ChevronDown : ChevronRight} small />
            </button>
            {isOpen && <EntryDetail entry={entry} workspaceId={workspaceId} />}
          </Fragment>
        );
      })}
      {end}
    </div>
  );
}

export function EntryTable({ entries, openId, onOpen, end }: EntryListProps) {
  return (
    <div className="grow scroll act-table">
      <table className="log">
        <colgroup>
          <col style={{ width: 132 }} />
          <col style={{ width: 148 }} />
          <col />
          <col style={{ width: 132 }} />
          <col style={{ width: 84 }} />
          <col style={{ width: 92 }} />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Kind</th>
            <th scope="col">With</th>
            <th scope="col">Summary</th>
            <th scope="col">Status</th>
            <th scope="col" className="r">
              Took
            </th>
            <th scope="col" className="r">
              Time
            </th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr
              key={entry.row.id}
              className={entry.row.id === openId ? 'on' : ''}
              data-testid="activity-row"
              onClick={() => onOpen(entry.row.id)}
            >
              <td>
                <button
                  type="button"
                  className="row log-kind"
                  aria-pressed={entry.row.id === openId}
                  aria-label={`${titleOf(entry)}: details`}
                >
                  <KindIcon kind={entry.kind} />
                  {kindLabel(entry.kind)}
                </button>
              </td>
              <td>{withWhom(entry) ?? <span className="muted">—</span>}</td>
              <td className="sum" title={entry.summary}>
                {entry.summary}
              </td>
              <td>
                <span className="row act-standing">
                  <StandingMark standing={entry.standing} />
                </span>
              </td>
              <td className="r">{entry.tookMs !== null && formatDuration(entry.tookMs)}</td>
              <td className="r muted" title={formatFull(entry.row.created_at)}>
                {formatTimeExact(entry.row.created_at)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {end}
    </div>
  );
}

export interface EntryAsideProps {
  workspaceId: string;
  entry: Entry | undefined;
  onClose(): void;
}

export function EntryAside({ workspaceId, entry, onClose }: EntryAsideProps) {
  if (!entry)
    return (
      <aside className="act-aside" aria-label="Details">
        <p className="muted act-aside-empty">Choose a row to see its messages, tools and receipts.</p>
      </aside>
    );
  return (
    <aside className="act-aside" aria-label="Details">
      <div className="act-aside-h">
        <h3 className="grow clip">{titleOf(entry)}</h3>
        <FullTrace entry={entry} workspaceId={workspaceId} />
        <IconButton small label="Close the details" onClick={onClose}>
          <Icon of={X} />
        </IconButton>
      </div>
      <div className="scroll grow">
        <EntryDetail entry={entry} workspaceId={workspaceId} hasHead />
      </div>
    </aside>
  );
}
