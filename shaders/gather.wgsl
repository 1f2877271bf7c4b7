// y[o, j, i] = x[o, index[o, j, i], i] along one axis, where x is [outer, axis, inner] and index, y are
// [outer, count, inner]; with ALONG index is [count], the same for every line. An index outside [0, axis) is clamped to it, which keeps every access in bounds.
//#if T == f16
enable f16;
//#end

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;

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
  let outer = i / (params.count * params.inner);
//#if ALONG
  let place = (i / params.inner) % params.count;
//#else
  let place = i;
//#end
  let at = u32(clamp(index[place], 0, i32(params.axis) - 1));
  y[i] = x[(outer * params.axis + at) * params.inner + i % params.inner];
}
