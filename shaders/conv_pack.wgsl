// Repacks convolution weights for conv_direct: out[g][kb][tap][c][u][k], where a "tap" is a block of BLOCK_TAPS kernel taps,
// u the tap inside the block, k the output channel inside a block of TK. Channels past the last are zero.
//
// The source is any OIHW-like array addressed by strides, so that one kernel packs for the forward pass and, with the
// channels swapped and the taps reversed, for the input gradient.
struct Params {
  total: u32,       // elements of `packed`
  k: u32,           // output channels of a group
  c: u32,           // input channels of a group
  kBlocks: u32,     // ceil(k / TK)
  blocks: u32,      // tap blocks
  blockTaps: u32,   // taps in a block
  tk: u32,
  strideGroup: u32,
  strideK: u32,
  strideC: u32,
  flip: u32,        // 1: the taps are read in reverse order
  gridX: u32,
};
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = (wg.y * params.gridX + wg.x) * 64u + lid;
  if (i >= params.total) {
    return;
  }
  let kk = i % params.tk;
  var rest = i / params.tk;
  let u = rest % params.blockTaps;
  rest /= params.blockTaps;
  let c = rest % params.c;
  rest /= params.c;
  let block = rest % params.blocks;
  rest /= params.blocks;
  let k = (rest % params.kBlocks) * params.tk + kk;
  let g = rest / params.kBlocks;
  let taps = params.blocks * params.blockTaps;
  let t = block * params.blockTaps + u;
  let tap = select(t, taps - 1u - t, params.flip == 1u);
  var v = 0.0;
  if (k < params.k) {
    v = weight[g * params.strideGroup + k * params.strideK + c * params.strideC + tap];
  }
  packed[i] = v;
}
