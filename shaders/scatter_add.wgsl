// y[o, k, i] = sum over j with index[o, j, i] == k of x[o, j, i]: the adjoint of gather; with ALONG index is [count]. Each invocation owns one element
// of y and reads the indices in order, so the sum has a fixed order and needs no atomics.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

struct Params {
  size: u32,
  count: u32,
  inner: u32,
  axis: u32,
}
@group(0) @binding(31) var<uniform> params: Params;

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
  let outer = i / (params.axis * params.inner);
  let k = i32((i / params.inner) % params.axis);
  var sum = 0.0;
  var at = outer * params.count * params.inner + i % params.inner;
  for (var j = 0u; j < params.count; j++) {
//#if ALONG
    let to = index[j];
//#else
    let to = index[at];
//#end
    if (clamp(to, 0, i32(params.axis) - 1) == k) {
      sum += x[at];
    }
    at += params.inner;
  }
  y[i] = sum;
}
