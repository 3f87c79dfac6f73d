// A key as people know it from their keyboard: `Mod` is ⌘ on Apple machines and Ctrl elsewhere.

export const isApple = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);

export function Kbd({ keys }: { keys: string }) {
  return <span className="kbd">{isApple ? keys.replace('Mod+', '⌘') : keys.replace('Mod+', 'Ctrl ')}</span>;
}
