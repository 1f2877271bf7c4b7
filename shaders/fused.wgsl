// A chain of elementwise functions in one pass over memory, which a compiled function makes of the dispatches of several (see
// engine/fusion.ts). BODY computes one vector of four elements of every result: it loads what it needs of in_0, in_1, ..., applies
// functions of elementwise.wgsl, with scalars from params.words, and stores to out_0, out_1, ...

//#unroll n 0 READS
@group(0) @binding($n) var<storage, read> in_$n: array<vec4f>;
//#end
//#unroll n 0 WRITES
@group(0) @binding($[READS + n]) var<storage, read_write> out_$n: array<vec4f>;
//#end

struct Params {
  vectors: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  words: array<vec4f, 15>,
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
    $BODY
  }
}
