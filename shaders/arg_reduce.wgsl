// y[o, i] = the first r at which x[o, r, i] is largest (LARGEST) or smallest, where x is [outer, count, inner].

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

struct Params {
  outputs: u32,
  count: u32,
  inner: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let o = (group.y * groups.x + group.x) * 64u + lane;
  if (o >= params.outputs) {
    return;
  }
  let base = (o / params.inner) * params.count * params.inner + o % params.inner;
  var best = x[base];
  var at = 0u;
  for (var r = 1u; r < params.count; r++) {
    let value = x[base + r * params.inner];
    if (select((value < best), (value > best), LARGEST)) {
      best = value;
      at = r;
    }
  }
  y[o] = i32(at);
}
