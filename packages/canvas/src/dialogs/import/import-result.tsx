// What came of an import: how many were there, how many were made, what was left out, what went wrong.

import type { ROUTES, RouteResult } from '@molecule/contract';
import { useWorkspaces } from '../../live/index.ts';
import { plural, StatusGlyph, statusLabel } from '../../ui/index.ts';

export type ImportReport = RouteResult<(typeof ROUTES)['importOrg']>;

export function summarizeImport(report: ImportReport): string {
  const existed = report.workspaces.filter((one) => one.skipped).length;
  const created = report.workspaces.length - existed;
  return existed > 0 ? `${existed} already existed, ${created} created` : `${created} created`;
}

/** What the template names and the platform left out, in words. */
function listSkipped(report: ImportReport): string[] {
  return report.workspaces.flatMap((one) => [
    ...(one.channels_skipped ?? []).map((channel) => `${one.name}: channel ${channel.type}, ${channel.reason}`),
    ...(one.plugins_skipped ?? []).map((plugin) => `${one.name}: plugin ${plugin}`),
    ...(one.schedules_skipped ?? []).map((schedule) => `${one.name}: schedule ${schedule}`),
    ...(one.memories_skipped ? [`${one.name}: ${plural(one.memories_skipped, 'memory', 'memories')}`] : []),
  ]);
}

export function ImportResult({ report }: { report: ImportReport }) {
  const live = useWorkspaces();
  const skipped = listSkipped(report);
  return (
    <div className="import-result" data-testid="import-result">
      {report.error && (
        <div className="note warn" role="alert">
          <StatusGlyph status="degraded" />
          <span>
            The import stopped part of the way: {report.error} What exists is kept; a retry makes only what is missing.
          </span>
        </div>
      )}
      <p role="status">{summarizeImport(report)}</p>
      <ul className="victims scroll" aria-label="Workspaces">
        {report.workspaces.map((one) => {
          const status = live.find((node) => node.id === one.id)?.status;
          return (
            <li key={one.id} className="row">
              <StatusGlyph status={status ?? 'provisioning'} size={10} />
              <span className="clip grow">{one.name}</span>
              <span className="muted">
                {one.skipped ? 'already there' : 'created'}
                {status && ` · ${statusLabel(status).toLowerCase()}`}
              </span>
            </li>
          );
        })}
      </ul>
      {skipped.length > 0 && (
        <div>
          <h3 className="h-label">Left out</h3>
          <ul className="skipped">
            {skipped.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
