// Mean and biased variance of every channel of x = [batch, channels, plane], in two passes that never form E[x^2] - E[x]^2.
//
// PASS == slices: each invocation takes every S-th element of a channel, finds their mean and then the sum of squares M2
//   of the deviations from it; slices interleave, so neighbouring invocations read neighbouring memory.
// PASS == merge: one invocation per channel merges its slices in order by Chan, Golub & LeVeque (1979):
//   with n = a + b, d = mean_b - mean_a:  mean = mean_a + d b / n,  M2 = M2_a + M2_b + d^2 a b / n.

//#if PASS == slices
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec2f>;
//#else
@group(0) @binding(0) var<storage, read> partial: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
//#end

struct Params {
  channels: u32,
  plane: u32,
  count: u32,
  slices: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

fn sliceLength(s: u32) -> u32 {
  return (params.count - s + params.slices - 1u) / params.slices;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
//#if PASS == slices
  if (id.x >= params.channels * params.slices) {
    return;
  }
  let c = id.x / params.slices;
  let s = id.x % params.slices;
  var sum = 0.0;
  for (var r = s; r < params.count; r += params.slices) {
    sum += x[((r / params.plane) * params.channels + c) * params.plane + r % params.plane];
  }
  let center = sum / f32(sliceLength(s));
  var m2 = 0.0;
  for (var r = s; r < params.count; r += params.slices) {
    let d = x[((r / params.plane) * params.channels + c) * params.plane + r % params.plane] - center;
    m2 += d * d;
  }
  partial[id.x] = vec2f(center, m2);
//#else
  let c = id.x;
  if (c >= params.channels) {
    return;
  }
  var merged = partial[c * params.slices];
  var n = f32(sliceLength(0u));
  for (var s = 1u; s < params.slices; s++) {
    let next = partial[c * params.slices + s];
    let b = f32(sliceLength(s));
    let d = next.x - merged.x;
    merged = vec2f(merged.x + d * (b / (n + b)), merged.y + next.y + d * d * (n * b / (n + b)));
    n += b;
  }
  mean[c] = merged.x;
  variance[c] = merged.y / n;
//#end
}
