// y = (x - mean_c) rsqrt(variance_c + eps) gamma_c + beta_c on [batch, channels, plane].
// LINEAR leaves out mean and beta: the gradient of the above with fixed statistics.
// VECTORS: plane is a multiple of 4, and an invocation does four elements.

//#if VECTORS
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
//#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
//#end
//#if !LINEAR
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> beta: array<f32>;
//#end

struct Params {
  // In elements, or in vectors of four.
  size: u32,
  plane: u32,
  channels: u32,
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
  if (i >= params.size) {
    return;
  }
  let c = (i / params.plane) % params.channels;
  let scale = inverseSqrt(variance[c] + params.eps) * gamma[c];
//#if LINEAR
  y[i] = x[i] * scale;
//#else
  y[i] = (x[i] - mean[c]) * scale + beta[c];
//#end
}
