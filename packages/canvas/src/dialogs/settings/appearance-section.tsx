// How this browser shows the canvas: theme, density, motion.

import { type Preferences, setPreference, usePreferences } from '../../app/preferences.ts';

const THEMES = [
  { id: 'dark', label: 'Dark' },
  { id: 'light', label: 'Light' },
  { id: 'system', label: 'As the system' },
] as const;
const DENSITIES = [
  { id: 'normal', label: 'Normal' },
  { id: 'compact', label: 'Compact' },
] as const;
const MOTIONS = [
  { id: 'system', label: 'As the system' },
  { id: 'reduce', label: 'Reduced' },
] as const;

function Choice<K extends 'theme' | 'density' | 'motion'>({
  name,
  label,
  options,
}: {
  name: K;
  label: string;
  options: readonly { id: Preferences[K]; label: string }[];
}) {
  const value = usePreferences((state) => state[name]);
  return (
    <div className="row choice">
      <span className="grow">{label}</span>
      <fieldset className="seg" aria-label={label}>
        {options.map((option) => (
          <button
            key={option.id}
            type="button"
            aria-pressed={value === option.id}
            onClick={() => setPreference(name, option.id)}
          >
            {option.label}
          </button>
        ))}
      </fieldset>
    </div>
  );
}

export function AppearanceSection() {
  return (
    <section aria-label="Appearance">
      <h2>Appearance</h2>
      <p className="soft sec-lead">Kept in this browser.</p>
      <div className="choices">
        <Choice name="theme" label="Theme" options={THEMES} />
        <Choice name="density" label="Density" options={DENSITIES} />
        <Choice name="motion" label="Motion" options={MOTIONS} />
      </div>
    </section>
  );
}
