import { reshape, slice } from '../../engine/ops/movement.js';
import { topk } from '../../engine/ops/sort.js';
import type { Tensor } from '../../engine/tensor.js';

/** The classes that rank second and after by logits `[m, C]`, each i32 `[m]`: `count` of them, or all C - 1 where there are fewer. */
export function rankedOthers(logits: Tensor, count: number): Tensor[] {
  const [m = 0, classes = 0] = logits.shape;
  const ranked = topk(logits, Math.min(count + 1, classes), 1).indices;
  return Array.from({ length: Math.min(count, classes - 1) }, (_, rank) =>
    reshape(slice(ranked, [null, { start: rank + 1, end: rank + 2 }]), [m]),
  );
}
