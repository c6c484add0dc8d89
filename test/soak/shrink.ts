/**
 * Makes a list that fails smaller while it still fails: leaves out halves, then quarters, down to single members, again and
 * again until no single one can go (ddmin, Zeller and Hildebrandt 2002, without the tests of subsets).
 */
export async function shrink<Member>(
  list: readonly Member[],
  fails: (shorter: readonly Member[]) => Promise<boolean>,
  enough: () => boolean = () => false,
): Promise<Member[]> {
  let smallest = [...list]
  for (let size = Math.ceil(smallest.length / 2); size >= 1;) {
    let found = false
    for (let at = 0; at < smallest.length && !enough();) {
      const shorter = [...smallest.slice(0, at), ...smallest.slice(at + size)]
      if (shorter.length < smallest.length && (await fails(shorter))) {
        smallest = shorter
        found = true
      } else {
        at += size
      }
    }
    if (enough() || (size === 1 && !found)) break
    size = size > 1 ? Math.ceil(size / 2) : 1
  }
  return smallest
}
