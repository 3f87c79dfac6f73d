// What a workspace may read of others in an explanation: that they block and how long, not what they spend, say or were told
// (as chapter 10 §2.1 has it for the public view of a workspace). Pure.

import type { WhyFigures, WhyReply } from '@molecule/contract';

const NO_IDS = { queue_id: null, delegation_id: null, message_id: null, activity_id: null };

/** Of other seats these stay with administrators. */
function publicFigures({
  error: _error,
  current_task: _task,
  budget_limit: _limit,
  monthly_spend: _spend,
  ...shown
}: WhyFigures) {
  return shown;
}

/** The explanation as the workspace `ownId` may see it. */
export function redactFor(ownId: string, reply: WhyReply): WhyReply {
  const last = reply.chain.at(-1);
  const isOwnEnd = last?.workspace_id === ownId;
  return {
    ...reply,
    chain: reply.chain.map((hop) => {
      if (hop.workspace_id === ownId) return hop;
      const shown = { ...hop, figures: publicFigures(hop.figures) };
      return hop.waits_for === ownId ? shown : { ...shown, ...NO_IDS, text: '' };
    }),
    behind: {
      total: reply.behind.total,
      items: isOwnEnd ? reply.behind.items : reply.behind.items.filter((item) => item.workspace_id === ownId),
    },
    checked: isOwnEnd
      ? reply.checked
      : reply.checked
          .filter(({ check }) => check !== 'budget')
          .map((check) => ({ ...check, figures: publicFigures(check.figures) })),
    // It may do to itself what a person may, and give up what it handed out.
    actions: reply.actions.filter(({ action, workspace_id: id }) => id === ownId || action === 'wait'),
  };
}
