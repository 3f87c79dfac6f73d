// Tier: four ticks, as many filled as the tier reaches.

export const TIERS = [
  { id: 1, label: 'T1 · sandboxed', hint: 'Reads its own files only.' },
  { id: 2, label: 'T2 · standard', hint: 'Bounded memory and processor.' },
  { id: 3, label: 'T3 · privileged', hint: 'The default.' },
  { id: 4, label: 'T4 · full access', hint: 'The whole machine. Use with care.' },
] as const;

const meaningOf = (tier: number) => TIERS.find((one) => one.id === tier)?.label.replace('T', 'Tier ') ?? `Tier ${tier}`;

export function TierBadge({ tier }: { tier: number }) {
  return (
    <span className="tier" title={meaningOf(tier)}>
      <i aria-hidden="true">
        {[1, 2, 3, 4].map((step) => (
          <s key={step} className={step <= tier ? 'on' : ''} />
        ))}
      </i>
      T{tier}
    </span>
  );
}
