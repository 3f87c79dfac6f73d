// Cutting a text into pieces a channel takes: at the best place that is not too early. Pure.

/** How much of a piece may be given up for a better place to cut. */
const LEAST_SHARE = 0.5;

/** Not between the halves of a character. */
function lastWhole(text: string, most: number): number {
  const code = text.charCodeAt(most - 1);
  return code >= 0xd800 && code <= 0xdbff ? most - 1 : most;
}

/**
 * @param most characters of a piece.
 * @param places where to cut, best first: `'\n'`.
 */
export function splitText(text: string, most: number, places: readonly string[]): string[] {
  const parts: string[] = [];
  let rest = text.trim();
  while (rest.length > most) {
    const found = places
      .map((place) => rest.lastIndexOf(place, most - place.length))
      .find((at) => at >= most * LEAST_SHARE);
    const cut = found ?? lastWhole(rest, most);
    parts.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).trimStart();
  }
  return rest === '' ? parts : [...parts, rest];
}
