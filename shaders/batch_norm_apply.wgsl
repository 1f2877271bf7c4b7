// y = (x - mean_c) rsqrt(variance_c + eps) gamma_c + beta_c on [batch, channels, plane].
// LINEAR leaves out mean and beta: the gradient of the above with fixed statistics.
//
// An invocation takes every `across`-th unit of one plane. VECTOR: planes are multiples of 4 elements, and a unit is four.

//#if VECTOR
alias X = vec4f;
//#else
alias X = f32;
//#end
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<X>;
//#if !LINEAR
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> beta: array<f32>;
//#end

struct Params {
  invocations: u32,
  channels: u32,
  /** Units to a plane. */
  units: u32,
  across: u32,
  eps: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (group.y * groups.x + group.x) * 64u + lane;
  if (at >= params.invocations) {
    return;
  }
  let plane = at / params.across;
  let c = plane % params.channels;
  let scale = inverseSqrt(variance[c] + params.eps) * gamma[c];
//#if !LINEAR
  let center = mean[c];
  let shift = beta[c];
//#end
  for (var u = at % params.across; u < params.units; u += params.across) {
    let i = plane * params.units + u;
//#if LINEAR
    y[i] = x[i] * scale;
//#else
    y[i] = (x[i] - center) * scale + shift;
//#end
  }
}
