// The first-order gradient of batch normalisation, with xhat = (x - mean_c) rsqrt(variance_c + eps), n = batch * plane:
//
//   dbeta_c = sum g,   dgamma_c = sum g xhat
//   dx = gamma_c rsqrt(variance_c + eps) (g - dbeta_c / n - xhat dgamma_c / n)
//
// PASS == slices: partial sums (g, g xhat) of every S-th element of a channel.
// PASS == merge:  the slices of a channel added in order.
// PASS == input:  dx from the sums.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
//#if PASS == slices
@group(0) @binding(4) var<storage, read_write> partial: array<vec2f>;
//#end
//#if PASS == merge
@group(0) @binding(4) var<storage, read> partial: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(6) var<storage, read_write> dbeta: array<f32>;
//#end
//#if PASS == input
@group(0) @binding(4) var<storage, read> dgamma: array<f32>;
@group(0) @binding(5) var<storage, read> dbeta: array<f32>;
@group(0) @binding(6) var<storage, read> gamma: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;
//#end

struct Params {
  channels: u32,
  plane: u32,
  count: u32,
  slices: u32,
  eps: f32,
}
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
//#if PASS == slices
  if (i >= params.channels * params.slices) {
    return;
  }
  let c = i / params.slices;
  let center = mean[c];
  let scale = inverseSqrt(variance[c] + params.eps);
  var sums = vec2f(0);
  for (var r = i % params.slices; r < params.count; r += params.slices) {
    let at = ((r / params.plane) * params.channels + c) * params.plane + r % params.plane;
    sums += g[at] * vec2f(1.0, (x[at] - center) * scale);
  }
  partial[i] = sums;
//#end
//#if PASS == merge
  if (i >= params.channels) {
    return;
  }
  var sums = vec2f(0);
  for (var s = 0u; s < params.slices; s++) {
    sums += partial[i * params.slices + s];
  }
  dbeta[i] = sums.x;
  dgamma[i] = sums.y;
//#end
//#if PASS == input
  if (i >= params.channels * params.count) {
    return;
  }
  let c = (i / params.plane) % params.channels;
  let scale = inverseSqrt(variance[c] + params.eps);
  let xhat = (x[i] - mean[c]) * scale;
  let n = f32(params.count);
  dx[i] = gamma[c] * scale * (g[i] - (dbeta[c] + xhat * dgamma[c]) / n);
//#end
}
