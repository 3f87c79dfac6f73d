// Receipt: accepted, picked up, answered, as three atoms on a bond. Filled is true, bright ring is waited for, grey is not yet.

export interface ReceiptProps {
  accepted: boolean;
  pickedUp: boolean;
  answered: boolean;
  /** `ink`: never coloured, for tables. */
  tone?: 'plain' | 'ink' | 'slow' | 'bad';
}

function Atom({ x, done, waited }: { x: number; done: boolean; waited: boolean }) {
  if (done) return <circle cx={x} cy="4" r="3" fill="currentColor" />;
  return (
    <circle
      cx={x}
      cy="4"
      r="2.75"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.25"
      className={waited ? undefined : 'off'}
    />
  );
}

function Bond({ x, done }: { x: number; done: boolean }) {
  return (
    <path
      d={`M${x} 4h5`}
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      className={done ? undefined : 'off'}
    />
  );
}

export function Receipt({ accepted, pickedUp, answered, tone = 'plain' }: ReceiptProps) {
  const label = answered ? 'answered' : pickedUp ? 'picked up' : accepted ? 'accepted' : 'not accepted';
  const look = tone === 'plain' ? (answered ? 'ok' : '') : tone;
  return (
    <svg className={`rcpt ${look}`} viewBox="0 0 36 8" role="img" aria-label={label}>
      <Atom x={4} done={accepted} waited />
      <Bond x={8.5} done={pickedUp} />
      <Atom x={18} done={pickedUp} waited={accepted} />
      <Bond x={22.5} done={answered} />
      <Atom x={32} done={answered} waited={pickedUp} />
    </svg>
  );
}
