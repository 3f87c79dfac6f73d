import type { ConnectionBlock } from '@molecule/contract';
import { describe, expect, it } from 'vitest';
import { listWays } from './snippets.ts';

const block = (fields: Partial<ConnectionBlock>): ConnectionBlock => ({
  workspace_id: 'w',
  platform_url: 'http://platform',
  auth_token: '',
  registry_endpoint: 'http://platform/registry/register',
  heartbeat_endpoint: 'http://platform/registry/heartbeat',
  curl_register_template: "curl -H 'authorization: Bearer <token>'",
  python_snippet: 'TOKEN = "<token>"  # <token>',
  claude_code_channel_snippet: 'claude <token>',
  universal_mcp_snippet: 'mcp <token>',
  hermes_channel_snippet: 'hermes <token>',
  codex_snippet: 'codex <token>',
  openclaw_snippet: 'openclaw <token>',
  ...fields,
});

describe('listWays', () => {
  it('begins with Universal MCP and leaves out what the platform gave no snippet for', () => {
    expect(listWays(block({})).map((way) => way.label)).toEqual([
      'Universal MCP',
      'SDK',
      'Claude Code',
      'Hermes',
      'Codex',
      'OpenClaw',
      'curl',
    ]);
    expect(listWays(block({ universal_mcp_snippet: '', codex_snippet: '' }))[0]?.label).toBe('SDK');
    expect(listWays(block({ codex_snippet: '' })).map((way) => way.id)).not.toContain('codex');
  });

  it('stamps a fresh token over every placeholder, and leaves the placeholder where there is none', () => {
    const stamped = listWays(block({ auth_token: 'mol_ws_1' }));
    expect(stamped.every((way) => way.text.includes('mol_ws_1') && !way.text.includes('<token>'))).toBe(true);
    expect(listWays(block({})).every((way) => way.text.includes('<token>'))).toBe(true);
  });
});
