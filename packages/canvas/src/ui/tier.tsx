// Tier: four ticks, as many filled as the tier reaches.

const MEANINGS: Record<number, string> = {
  1: 'Tier 1: sandboxed',
  2: 'Tier 2: standard',
  3: 'Tier 3: privileged',
  4: 'Tier 4: full access',
};

export function TierBadge({ tier }: { tier: number }) {
  return (
    <span className="tier" title={MEANINGS[tier] ?? `Tier ${tier}`}>
      <i aria-hidden="true">
        {[1, 2, 3, 4].map((step) => (
          <s key={step} className={step <= tier ? 'on' : ''} />
        ))}
      </i>
      T{tier}
    </span>
  );
}
