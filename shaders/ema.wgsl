// An exponential moving average over a flat arena of parameters: average += weight * (p - average). Or, SWAP, the two exchanged.
// By vectors of four elements.

//#if SWAP
@group(0) @binding(0) var<storage, read_write> parameters: array<vec4f>;
//#else
@group(0) @binding(0) var<storage, read> parameters: array<vec4f>;
//#end
@group(0) @binding(1) var<storage, read_write> averages: array<vec4f>;

struct Params {
  vectors: u32,
  weight: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.vectors; i += step) {
    let p = parameters[i];
    let average = averages[i];
//#if SWAP
    parameters[i] = average;
    averages[i] = p;
//#else
    // The first weight is 1: exactly p, whatever was there.
    averages[i] = select(average + params.weight * (p - average), p, params.weight == 1.0);
//#end
  }
}
