// Conversion between element types. T is the source type, R the result's; TO_BOOL gives 0 or 1.
//#if T == f16
enable f16;
//#end
//#if R == f16
enable f16;
//#end

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<R>>;

struct Params {
  vectors: u32,
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
//#if TO_BOOL
    y[i] = select(vec4<R>(0), vec4<R>(1), x[i] != vec4<T>(0));
//#else
    y[i] = vec4<R>(x[i]);
//#end
  }
}
