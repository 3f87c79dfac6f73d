// What shapes, ticks and lines mean. Stays open or closed as it was left.

import { X } from 'lucide-react';
import { setPreference, usePreferences } from '../app/preferences.ts';
import { Icon, IconButton, STATUSES_SHOWN, StatusGlyph, statusLabel, TierBadge } from '../ui/index.ts';

const LINES = [
  ['live', 'Called in the last 5 min'],
  ['', 'Called within the hour'],
  ['failing', 'Over 20 % failed'],
] as const;

export function Legend() {
  const isOpen = usePreferences((state) => state.legendOpen);
  if (!isOpen)
    return (
      <button type="button" className="island legend-btn" onClick={() => setPreference('legendOpen', true)}>
        <StatusGlyph status="online" />
        Legend
      </button>
    );
  return (
    <aside className="island legend" aria-label="Legend">
      <div className="row">
        <b className="grow">Legend</b>
        <IconButton small label="Close the legend" onClick={() => setPreference('legendOpen', false)}>
          <Icon of={X} small />
        </IconButton>
      </div>
      <ul className="legend-grid">
        {STATUSES_SHOWN.map((status) => (
          <li key={status}>
            <StatusGlyph status={status} />
            {statusLabel(status)}
          </li>
        ))}
      </ul>
      <ul className="legend-grid">
        {[1, 2, 3, 4].map((tier) => (
          <li key={tier}>
            <TierBadge tier={tier} />
          </li>
        ))}
      </ul>
      <ul>
        {LINES.map(([kind, text]) => (
          <li key={text}>
            <svg width="32" height="8" aria-hidden="true">
              <path className={`edge ${kind}`} d="M0 4H26" />
              <circle className={`edge-end ${kind}`} cx="28" cy="4" r="3" />
            </svg>
            {text}
          </li>
        ))}
      </ul>
    </aside>
  );
}
