// The first-order gradient of batch normalisation, with xhat = (x - mean_c) rsqrt(variance_c + eps), n = batch * plane:
//
//   dbeta_c = sum g,   dgamma_c = sum g xhat
//   dx = gamma_c rsqrt(variance_c + eps) (g - dbeta_c / n - xhat dgamma_c / n)
//
// PASS == slices: an invocation sums (g, g xhat) over part of a channel, divided as in batch_norm_stats.wgsl.
// PASS == input:  dx from the sums; an invocation takes every `across`-th unit of one plane.
//
// VECTOR: planes are multiples of 4 elements, and a unit is four of them.

//#if VECTOR
alias X = vec4f;
fn total(a: X) -> f32 { return (a.x + a.y) + (a.z + a.w); }
//#else
alias X = f32;
fn total(a: X) -> f32 { return a; }
//#end

@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> g: array<X>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
//#if PASS == slices
@group(0) @binding(4) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbeta: array<f32>;
//#else
@group(0) @binding(4) var<storage, read> dgamma: array<f32>;
@group(0) @binding(5) var<storage, read> dbeta: array<f32>;
@group(0) @binding(6) var<storage, read> gamma: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<X>;
//#end

struct Params {
  invocations: u32,
  channels: u32,
  batch: u32,
  units: u32,
  across: u32,
  chunk: u32,
  slices: u32,
  eps: f32,
  /** Elements of a channel in the batch. */
  count: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

//#if PASS == slices
fn run(at: u32) {
  let first = at % params.across;
  let c = at / params.across % params.channels;
  let chunk = at / params.across / params.channels;
  let start = chunk * params.chunk;
  let center = mean[c];
  var sum = X();
  var along = X();
  for (var n = start; n < min(start + params.chunk, params.batch); n++) {
    let base = (n * params.channels + c) * params.units;
    for (var u = first; u < params.units; u += params.across) {
      let value = g[base + u];
      sum += value;
      along += value * (x[base + u] - center);
    }
  }
  let slice = c * params.slices + chunk * params.across + first;
  dgamma[slice] = total(along) * inverseSqrt(variance[c] + params.eps);
  dbeta[slice] = total(sum);
}
//#else
fn run(at: u32) {
  let plane = at / params.across;
  let c = plane % params.channels;
  let center = mean[c];
  let scale = inverseSqrt(variance[c] + params.eps);
  let gain = gamma[c] * scale;
  let shift = dbeta[c] / params.count;
  let slope = scale * (dgamma[c] / params.count);
  for (var u = at % params.across; u < params.units; u += params.across) {
    let i = plane * params.units + u;
    dx[i] = gain * ((g[i] - shift) - (x[i] - center) * slope);
  }
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
