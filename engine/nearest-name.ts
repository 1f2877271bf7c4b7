/** The name that a misspelt one most likely stands for: the only one that begins with it, or the nearest by edits, if it is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const simple = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const [longer, ...others] = known.filter((candidate) => simple(candidate).startsWith(simple(name)));
  if (longer !== undefined && others.length === 0) return longer;
  const ranked = known
    .map((candidate) => ({ candidate, distance: edits(simple(name), simple(candidate)) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best && best.distance <= Math.max(2, simple(name).length / 2) ? best.candidate : undefined;
}

/** Insertions, deletions and replacements that turn one text into the other (Levenshtein). */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
