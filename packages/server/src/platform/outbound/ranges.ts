// Which addresses the platform may call, as data (chapter 10 §6). Judged on parsed numbers, never on text.

import ipaddr from 'ipaddr.js';

export type OutboundMode = 'strict' | 'saas' | 'dev';

interface RangeRule {
  range: string;
  /** Modes in which the range may be called; empty = never. */
  allowedIn: readonly OutboundMode[];
  /** Loopback in dev: dispatch and discovery only, a registration may not name it by number. */
  exceptRegister?: true;
}

/** The first range that contains the address decides; an address in none of them is public. */
const RULES: readonly RangeRule[] = [
  { range: '127.0.0.0/8', allowedIn: ['dev'], exceptRegister: true },
  { range: '::1/128', allowedIn: ['dev'], exceptRegister: true },
  { range: '169.254.0.0/16', allowedIn: [] },
  { range: 'fe80::/10', allowedIn: [] },
  { range: '0.0.0.0/8', allowedIn: [] },
  { range: '::/128', allowedIn: [] },
  { range: '10.0.0.0/8', allowedIn: ['saas', 'dev'] },
  { range: '172.16.0.0/12', allowedIn: ['saas', 'dev'] },
  { range: '192.168.0.0/16', allowedIn: ['saas', 'dev'] },
  { range: 'fd00::/8', allowedIn: ['saas', 'dev'] },
  { range: 'fc00::/8', allowedIn: [] },
  { range: '100.64.0.0/10', allowedIn: [] },
  { range: '192.0.2.0/24', allowedIn: [] },
  { range: '198.51.100.0/24', allowedIn: [] },
  { range: '203.0.113.0/24', allowedIn: [] },
  { range: '2001:db8::/32', allowedIn: [] },
  { range: '224.0.0.0/4', allowedIn: [] },
  { range: 'ff00::/8', allowedIn: [] },
  { range: '192.0.0.0/24', allowedIn: [] },
  { range: '198.18.0.0/15', allowedIn: [] },
  { range: '240.0.0.0/4', allowedIn: [] },
  { range: '64:ff9b::/96', allowedIn: [] },
  { range: '2002::/16', allowedIn: [] },
  // Beyond the chapter's table: forms that carry an IPv4 address inside, and ranges no agent can live in.
  { range: '::/96', allowedIn: [] },
  { range: '::ffff:0:0:0/96', allowedIn: [] },
  { range: '64:ff9b:1::/48', allowedIn: [] },
  { range: '2001::/32', allowedIn: [] },
  { range: 'fec0::/10', allowedIn: [] },
  { range: '100::/64', allowedIn: [] },
];

const PARSED = RULES.map((rule) => ({ ...rule, cidr: ipaddr.parseCIDR(rule.range) }));

/** IPv4-mapped IPv6 is judged as the IPv4 address it carries. @returns null when the address may be called, else why not. */
export function judgeAddress(
  address: string,
  mode: OutboundMode,
  purpose: 'register' | 'dispatch' | 'discover',
): string | null {
  const parsed = ipaddr.process(address);
  const rule = PARSED.find(({ cidr }) => cidr[0].kind() === parsed.kind() && parsed.match(cidr));
  if (!rule) return null;
  if (rule.allowedIn.includes(mode) && !(rule.exceptRegister && purpose === 'register')) return null;
  return `${address} lies in ${rule.range}, which may not be called`;
}
