// One pass of argmax (LARGEST) or argmin along the middle axis of x = [outer, count, inner]:
//
//   y[o, k, i] = the first r of the k-th chunk of candidates at which x[o, r, i] is largest (smallest)
//
// The candidates of the first pass are all r < count; those of a later pass (AGAIN) are what the pass before it wrote, in
// order, so that the first of equal values wins throughout. The caller repeats the pass until one chunk is left.

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;
//#if AGAIN
@group(0) @binding(2) var<storage, read> candidates: array<i32>;
//#end

struct Params {
  /** outer * chunks * inner. */
  outputs: u32,
  count: u32,
  inner: u32,
  /** Candidates along the axis, and how many of them make a chunk. */
  length: u32,
  chunk: u32,
  chunks: u32,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (group.y * groups.x + group.x) * 64u + lane;
  if (at >= params.outputs) {
    return;
  }
  let i = at % params.inner;
  let o = at / params.inner / params.chunks;
  let start = at / params.inner % params.chunks * params.chunk;
  let end = min(start + params.chunk, params.length);
  let base = o * params.count * params.inner + i;
//#if AGAIN
  let first = candidates[(o * params.length + start) * params.inner + i];
//#else
  let first = i32(start);
//#end
  var found = first;
  var best = x[base + u32(first) * params.inner];
  for (var k = start + 1u; k < end; k++) {
//#if AGAIN
    let r = candidates[(o * params.length + k) * params.inner + i];
//#else
    let r = i32(k);
//#end
    let value = x[base + u32(r) * params.inner];
//#if LARGEST
    let better = value > best;
//#else
    let better = value < best;
//#end
    found = select(found, r, better);
    best = select(best, value, better);
  }
  y[at] = found;
}
