// Adds the partial sums of the splits in their order: out[i] = sum_s partial[s * size + i]. Four values a lane.
struct Params {
  size: u32,    // in vec4
  splits: u32,
  gridX: u32,
};
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = (wg.y * params.gridX + wg.x) * 64u + lid;
  if (i >= params.size) {
    return;
  }
  var sum = partial[i];
  for (var s = 1u; s < params.splits; s++) {
    sum += partial[s * params.size + i];
  }
  output[i] = sum;
}
