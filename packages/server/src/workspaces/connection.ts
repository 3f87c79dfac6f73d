// What the owner of an external agent needs to connect it (chapter 10 §2.1). One builder for every route that shows it.

export interface ConnectionInput {
  workspaceId: string;
  platformUrl: string;
  /** Empty when the token is not shown again. */
  token: string;
}

export function buildConnection({ workspaceId, platformUrl, token }: ConnectionInput) {
  const base = platformUrl.replace(/\/+$/, '');
  const card = JSON.stringify({ id: workspaceId, delivery_mode: 'poll', agent_card: { name: 'my agent' } });
  return {
    workspace_id: workspaceId,
    platform_url: base,
    auth_token: token,
    registry_endpoint: `${base}/registry/register`,
    heartbeat_endpoint: `${base}/registry/heartbeat`,
    curl_register_template: `curl -fsS -X POST ${base}/registry/register -H 'authorization: Bearer ${token || '<token>'}' -H 'content-type: application/json' -d '${card}'`,
  };
}
