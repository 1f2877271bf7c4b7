// y[i] = start + i * step, in the element type T. With step 0 every element is the same.

@group(0) @binding(0) var<storage, read_write> y: array<vec4<T>>;

struct Params {
  vectors: u32,
  start: T,
  step: T,
}
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let stride = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.vectors; i += stride) {
    y[i] = vec4<T>(params.start) + vec4<T>(vec4u(0, 1, 2, 3) + 4u * i) * vec4<T>(params.step);
  }
}
