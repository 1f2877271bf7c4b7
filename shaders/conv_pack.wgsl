// Repacks convolution weights for conv_direct and conv_rows: out[g][kb][tap][c][u][k], where a "tap" is a block of TAPS kernel taps,
// u the tap inside the block, k the output channel inside a block of TK. Channels past the last are zero. Invocations take as many
// elements as there are too few of them.
//
// The source is any OIHW-like array addressed by strides, so that one kernel packs for the forward pass and, with the
// channels swapped and the taps reversed, for the input gradient.
struct Params {
  total: u32,       // elements of `packed`
  k: u32,           // output channels of a group
  c: u32,           // input channels of a group
  kBlocks: u32,     // ceil(k / TK)
  blocks: u32,      // tap blocks
  strideGroup: u32,
  strideK: u32,
  strideC: u32,
  flip: u32,        // 1: the taps are read in reverse order
};
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.total; i += step) {
    packed[i] = element(i);
  }
}

fn element(i: u32) -> f32 {
  let kk = i % TK;
  var rest = i / TK;
  let u = rest % TAPS;
  rest /= TAPS;
  let c = rest % params.c;
  rest /= params.c;
  let block = rest % params.blocks;
  rest /= params.blocks;
  let k = (rest % params.kBlocks) * TK + kk;
  let g = rest / params.kBlocks;
  let taps = params.blocks * TAPS;
  let t = block * TAPS + u;
  let tap = select(t, taps - 1u - t, params.flip == 1u);
  var v = 0.0;
  if (k < params.k) {
    v = weight[g * params.strideGroup + k * params.strideK + c * params.strideC + tap];
  }
  return v;
}
