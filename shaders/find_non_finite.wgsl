// first[slot] = the smallest i for which x[i] is infinite or not a number, if there is one: a float is that exactly where all
// bits of its exponent are set. HALF: x holds f16, two to a word. Found by its bits, because WGSL compilers may assume that no such values occur.

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> first: array<atomic<u32>>;

struct Params {
  size: u32,
  slot: u32,
}
@group(0) @binding(31) var<uniform> params: Params;

//#if HALF
fn isNonFinite(i: u32) -> bool { return ((x[i / 2u] >> (16u * (i % 2u))) & 0x7c00u) == 0x7c00u; }
//#else
fn isNonFinite(i: u32) -> bool { return (x[i] & 0x7f800000u) == 0x7f800000u; }
//#end

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.size; i += step) {
    if (isNonFinite(i)) {
      atomicMin(&first[params.slot], i);
      return;
    }
  }
}
