// The provisioning log (chapter 10 §7.10): one line per step, `evt: <name> <json>`. Names and places are contract.

import type { Logger } from '../platform/log.ts';

export type ProvisionEvent =
  | 'provision.start'
  | 'provision.skip_existing'
  | 'provision.ec2_started'
  | 'provision.ec2_stopped'
  | 'restart.pre_stop';

/** As `restart.pre_stop` names backends: `cp`, `docker`, `process`, `kubernetes`, `none`. */
export const shortBackendName = (name: string): string => (name === 'control-plane' ? 'cp' : name);

/** What cannot be written as JSON costs the fields, never the line. */
export function logProvisionEvent(log: Logger, name: ProvisionEvent, fields: Record<string, unknown>): void {
  let text = '';
  try {
    text = ` ${JSON.stringify(fields)}`;
  } catch (error) {
    log.warn({ err: error, event: name }, 'the fields of a provisioning event cannot be written');
  }
  log.info(`evt: ${name}${text}`);
}
