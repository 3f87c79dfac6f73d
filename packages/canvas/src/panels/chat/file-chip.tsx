// A file of a message: downloaded through the platform when the agent holds it, opened when it is on the web, inert otherwise.

import { FileText } from 'lucide-react';
import { formatBytes, Icon } from '../../ui/index.ts';
import type { ChatFile } from './turns.ts';

const AGENT_ROOTS = /^\/(configs|workspace|home|plugins)\//;

/** The path behind a file address; null for what only the web or another store holds. */
export function agentPathOf(uri: string): string | null {
  const path = uri.replace(/^workspace:/, '').replace(/^file:\/\//, '');
  return AGENT_ROOTS.test(path) ? path : null;
}

export function FileChip({ workspaceId, file }: { workspaceId: string; file: ChatFile }) {
  const path = agentPathOf(file.uri);
  const inside = (
    <>
      <Icon of={FileText} small />
      <span className="clip">{file.name}</span>
      {file.size !== undefined && <span className="muted num">{formatBytes(file.size)}</span>}
    </>
  );
  if (path) {
    const href = `/workspaces/${encodeURIComponent(workspaceId)}/chat/download?path=${encodeURIComponent(path)}`;
    return (
      <a className="file" download={file.name} href={href}>
        {inside}
      </a>
    );
  }
  if (/^https?:/.test(file.uri)) {
    return (
      <a className="file" href={file.uri} target="_blank" rel="noopener noreferrer" title={file.uri}>
        {inside}
      </a>
    );
  }
  return (
    <span className="file" title="This address cannot be opened from here">
      {inside}
    </span>
  );
}
