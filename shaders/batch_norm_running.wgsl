// running_mean += momentum (mean - running_mean);  running_var += momentum (variance * unbias - running_var), where
// unbias = n / (n - 1) turns the biased batch variance into the unbiased one. WEIGHED: momentum comes from a buffer.

@group(0) @binding(0) var<storage, read> mean: array<f32>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(3) var<storage, read_write> runningVar: array<f32>;
//#if WEIGHED
@group(0) @binding(4) var<storage, read> weight: array<f32>;
//#end

struct Params {
  channels: u32,
  momentum: f32,
  unbias: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= params.channels) {
    return;
  }
//#if WEIGHED
  let momentum = weight[0];
//#else
  let momentum = params.momentum;
//#end
  let keep = 1.0 - momentum;
  runningMean[c] = keep * runningMean[c] + momentum * mean[c];
  runningVar[c] = keep * runningVar[c] + momentum * (variance[c] * params.unbias);
}
