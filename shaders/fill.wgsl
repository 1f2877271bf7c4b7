// y[i] = start + i * step, in the element type T, of start and step in the type P. With step 0 every element is the same.
//#if T == f16
enable f16;
//#end

@group(0) @binding(0) var<storage, read_write> y: array<vec4<T>>;

struct Params {
  vectors: u32,
  start: P,
  step: P,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let stride = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.vectors; i += stride) {
    y[i] = vec4<T>(vec4<P>(params.start) + vec4<P>(vec4u(0, 1, 2, 3) + 4u * i) * vec4<P>(params.step));
  }
}
