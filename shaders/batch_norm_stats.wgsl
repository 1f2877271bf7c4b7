// Mean and biased variance of every channel of x = [batch, channels, plane], by passes that never form E[x^2] - E[x]^2.
//
// PASS == slices: an invocation takes part of a channel (every `across`-th unit of the planes of `chunk` samples), finds its
//   mean and then the sum M2 of the squares of the deviations from it, and writes (mean, M2, number of elements).
// PASS == merge, last: an invocation merges up to `chunk` of these, in order, by Chan, Golub & LeVeque (1979): with
//   n = a + b, d = mean_b - mean_a:  mean = mean_a + d b / n,  M2 = M2_a + M2_b + d^2 a b / n; the last pass merges all that
//   are left of a channel and writes mean and M2 / n.
//
// VECTOR: planes are multiples of 4 elements, and a unit is four of them.

//#if PASS == slices
//#if VECTOR
alias X = vec4f;
const WIDTH = 4.0;
fn total(a: X) -> f32 { return (a.x + a.y) + (a.z + a.w); }
//#else
alias X = f32;
const WIDTH = 1.0;
fn total(a: X) -> f32 { return a; }
//#end
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> merged: array<vec4f>;
//#else
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
//#if PASS == merge
@group(0) @binding(1) var<storage, read_write> merged: array<vec4f>;
//#else
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
//#end
//#end

struct Params {
  invocations: u32,
  channels: u32,
  batch: u32,
  /** Units to a plane. */
  units: u32,
  across: u32,
  chunk: u32,
  /** Partial results of a channel, written (slices) or read (merge, last). */
  slices: u32,
}
@group(0) @binding(31) var<uniform> params: Params;

//#if PASS == slices
fn run(at: u32) {
  let first = at % params.across;
  let c = at / params.across % params.channels;
  let chunk = at / params.across / params.channels;
  let start = chunk * params.chunk;
  let end = min(start + params.chunk, params.batch);
  var sum = X();
  for (var n = start; n < end; n++) {
    let base = (n * params.channels + c) * params.units;
    for (var u = first; u < params.units; u += params.across) {
      sum += x[base + u];
    }
  }
  let count = f32((end - start) * ((params.units - first + params.across - 1u) / params.across)) * WIDTH;
  let center = total(sum) / count;
  var squares = X();
  for (var n = start; n < end; n++) {
    let base = (n * params.channels + c) * params.units;
    for (var u = first; u < params.units; u += params.across) {
      let d = x[base + u] - center;
      squares += d * d;
    }
  }
  merged[c * params.slices + chunk * params.across + first] = vec4f(center, total(squares), count, 0);
}
//#else
fn run(at: u32) {
  let chunks = params.invocations / params.channels;
  let base = at / chunks * params.slices;
  let start = at % chunks * params.chunk;
  let end = min(start + params.chunk, params.slices);
  var all = partial[base + start].xyz;
  for (var s = start + 1u; s < end; s++) {
    let next = partial[base + s].xyz;
    let n = all.z + next.z;
    let d = next.x - all.x;
    all = vec3f(all.x + d * (next.z / n), all.y + next.y + d * d * (all.z * (next.z / n)), n);
  }
//#if PASS == merge
  merged[at] = vec4f(all, 0);
//#else
  mean[at] = all.x;
  variance[at] = all.y / all.z;
//#end
}
//#end

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (group.y * groups.x + group.x) * 64u + lane;
  if (at < params.invocations) {
    run(at);
  }
}
