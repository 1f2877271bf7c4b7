// first[slot] = the smallest i for which x[i] is infinite or not a number, if there is one: an f32 is that exactly where all
// bits of its exponent are set. Found by its bits, because WGSL compilers may assume that no such values occur.

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> first: array<atomic<u32>>;

struct Params {
  size: u32,
  slot: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

const EXPONENT = 0x7f800000u;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.size; i += step) {
    if ((x[i] & EXPONENT) == EXPONENT) {
      atomicMin(&first[params.slot], i);
      return;
    }
  }
}
