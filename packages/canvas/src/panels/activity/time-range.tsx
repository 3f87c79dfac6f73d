// How far back: the usual spans, or one of one's own up to 30 days.

import { useState } from 'react';
import { readSpan } from './time-span.ts';

const HOUR = 3_600;
const DAY = 86_400;

const RANGES = [
  { seconds: 900, label: '15 m' },
  { seconds: HOUR, label: '1 h' },
  { seconds: DAY, label: '24 h' },
  { seconds: 7 * DAY, label: '7 d' },
] as const;

export function TimeRange({ seconds, onChange }: { seconds: number; onChange(seconds: number): void }) {
  const isUsual = RANGES.some((range) => range.seconds === seconds);
  const [isOwn, setOwn] = useState(!isUsual);
  const [unit, setUnit] = useState(seconds % DAY === 0 ? DAY : HOUR);
  const [text, setText] = useState(isUsual ? '30' : String(seconds / unit));
  const span = readSpan(text, unit);
  const pick = (nextText: string, nextUnit: number) => {
    setText(nextText);
    setUnit(nextUnit);
    const next = readSpan(nextText, nextUnit);
    if (next !== null) onChange(next);
  };
  return (
    <div className="row range">
      <fieldset className="seg" aria-label="Time">
        {RANGES.map((range) => (
          <button
            key={range.seconds}
            type="button"
            aria-pressed={!isOwn && seconds === range.seconds}
            onClick={() => {
              setOwn(false);
              onChange(range.seconds);
            }}
          >
            {range.label}
          </button>
        ))}
        <button
          type="button"
          aria-pressed={isOwn}
          onClick={() => {
            setOwn(true);
            pick(text, DAY);
          }}
        >
          Custom
        </button>
      </fieldset>
      {isOwn && (
        <span className="row range-own">
          <span className={`field ${span === null ? 'bad' : ''}`}>
            <input
              aria-label="Last"
              aria-invalid={span === null}
              inputMode="decimal"
              value={text}
              title={span === null ? 'Up to 30 days' : undefined}
              onChange={(event) => pick(event.target.value, unit)}
            />
          </span>
          <span className="field">
            <select aria-label="Unit" value={unit} onChange={(event) => pick(text, Number(event.target.value))}>
              <option value={HOUR}>hours</option>
              <option value={DAY}>days</option>
            </select>
          </span>
        </span>
      )}
    </div>
  );
}
