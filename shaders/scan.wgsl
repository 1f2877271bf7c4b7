// Running sums of x [outer, count, inner] along its middle axis, cut into chunks of `chunk` places (the last may be shorter).
// An invocation owns one chunk of one line.
// PASS == totals: y [outer, chunks, inner] is the sum of each chunk.
// PASS == scan:   y [outer, count, inner] is the running sum; with CARRY, each chunk but the first starts from the running sum of
//                 the totals before it.
// A line of one million places takes three passes of about a hundred steps. REVERSE walks from the end: sums of what follows.

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
//#if CARRY
@group(0) @binding(2) var<storage, read> carried: array<T>;
//#end

struct Params {
  /** outer * chunks * inner */
  lanes: u32,
  count: u32,
  inner: u32,
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
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.lanes; i += step) {
    let within = i % params.inner;
    let line = i / params.inner;
    // The chunk in the order of the walk.
    let c = line % params.chunks;
    let base = (line / params.chunks) * params.count * params.inner + within;
    let first = c * params.chunk;
    let last = min(first + params.chunk, params.count);
    var sum = T(0);
//#if CARRY
    if (c > 0u) {
      sum = carried[i - params.inner];
    }
//#end
    for (var j = first; j < last; j++) {
//#if REVERSE
      let at = base + (params.count - 1u - j) * params.inner;
//#else
      let at = base + j * params.inner;
//#end
      sum += x[at];
//#if PASS == scan
      y[at] = sum;
//#end
    }
//#if PASS == totals
    y[i] = sum;
//#end
  }
}
