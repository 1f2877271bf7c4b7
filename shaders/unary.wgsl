// Elementwise functions of one tensor, by vectors of four elements; invocations take as many as there are too few of them. T
// is the element type, R the result's, OP names a function of elementwise.wgsl; ATTRIBUTES passes params.first and params.second on
// to those that take them. The padding of a tensor's range is computed too: it is never read.
// SINGLE: of the first element, for all.

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<VR>;

struct Params {
  vectors: u32,
  first: f32,
  second: f32,
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
//#if SINGLE
    y[i] = op_$OP(V(x[0].x));
//#else
    y[i] = op_$OP(x[i]$ATTRIBUTES);
//#end
  }
}
