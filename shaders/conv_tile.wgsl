// Convolution as an implicit matrix product, forward and input gradient: the matrix of all windows (im2col) is never stored, its
// tiles are gathered into workgroup memory as parts/tile_product.wgsl asks for them (Chetlur et al., "cuDNN", 2014, section 3).
//
//     out[image, k, position] = bias[k] + sum over c and taps of weight[k, (c, tap)] * window[(c, tap), (image, position)]
//
// Rows of the product are output channels of one group, columns the positions of all images, one after the other; the sum goes
// over input channels and over TAPS = TAPS_Y TAPS_X taps, which are known here because a thread finds out channel and tap of every
// step by dividing. Positions are walked as in conv_direct: tap t of position i lies at i * inStride + origin + t * step, so the
// input gradient of a stride-s convolution is s * s of these, one for each residue of the position.
//
// WEIGHTS_VEC: rows of weights are contiguous and lie at multiples of four. EPILOGUE: what becomes of the sums as they are stored.

struct Params {
  k: u32,           // output channels of a group
  c: u32,           // input channels of a group
  columns: u32,     // images * gridH * gridW
  tilesM: u32,
  gridX: u32,       // workgroups along x; the y dimension continues them, z is the group
  groups: u32,
  groupWeights: u32,
  strideK: u32,     // of the weight
  strideC: u32,
  tapBase: i32,     // the first tap in the weight, and the distance to the next along y and x
  tapStepY: i32,
  tapStepX: i32,
  inH: i32,
  inW: i32,
  inStrideY: i32,
  inStrideX: i32,
  originY: i32,
  originX: i32,
  stepY: i32,
  stepX: i32,
  gridH: u32,       // rows and columns computed
  gridW: u32,
  outH: u32,        // rows and columns of the whole output
  outW: u32,
  outStrideY: u32,
  outStrideX: u32,
  outOriginY: u32,
  outOriginX: u32,
  hasBias: u32,
}
@group(0) @binding(31) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> input: array<f32>;
//#if WEIGHTS_VEC
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
//#else
@group(0) @binding(1) var<storage, read> weight: array<f32>;
//#end
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
//#if EPILOGUE == reluGrad
@group(0) @binding(4) var<storage, read> mask: array<f32>;
//#end

struct Tile { m0: u32, n0: u32, kFrom: u32, kTo: u32, group: u32 }

fn tileOf(workgroup: vec3u) -> Tile {
  let index = workgroup.y * params.gridX + workgroup.x;
  return Tile(index % params.tilesM * BM, index / params.tilesM * BN, 0u, params.c * TAPS, workgroup.z);
}

/** A row of weights, and this thread's part of a step. */
struct PlaceA { base: u32, along: u32 }

fn placeOfA(tile: Tile, local: u32) -> PlaceA {
  let m = min(tile.m0 + local / KV, params.k - 1u);
  return PlaceA(tile.group * params.groupWeights + m * params.strideK, local % KV * 4u);
}

fn fetchA(at: PlaceA, k0: u32, kTo: u32) -> vec4f {
  let k = vec4u(k0 + at.along) + vec4u(0u, 1u, 2u, 3u);
//#if WEIGHTS_VEC
  let value = weight[(at.base + k.x) / 4u];
//#else
  let tap = vec4i(k % TAPS);
  let taps = params.tapBase + tap / i32(TAPS_X) * params.tapStepY + tap % i32(TAPS_X) * params.tapStepX;
  let index = at.base + k / TAPS * params.strideC + vec4u(taps);
  let value = vec4f(weight[index.x], weight[index.y], weight[index.z], weight[index.w]);
//#end
  return select(vec4f(), value, k < vec4u(kTo));
}

/** Where the windows of four positions begin, and this thread's step of k among those of a tile. */
struct PlaceB { start: vec4i, y: vec4i, x: vec4i, along: u32 }

fn placeOfB(tile: Tile, local: u32) -> PlaceB {
  let n = vec4u(tile.n0 + local % (BN / 4u) * 4u) + vec4u(0u, 1u, 2u, 3u);
  let x = vec4i(n % params.gridW) * params.inStrideX + params.originX;
  let row = vec4i(n / params.gridW % params.gridH) * params.inStrideY + params.originY;
  let image = n / (params.gridW * params.gridH);
  let plane = vec4i(image * params.groups * params.c + tile.group * params.c);
  // Windows past the last position have no row inside an image.
  let y = select(vec4i(-0x40000000), row, n < vec4u(params.columns));
  return PlaceB((plane * params.inH + row) * params.inW + x, y, x, local / (BN / 4u));
}

fn fetchB(at: PlaceB, k0: u32, kTo: u32) -> vec4f {
  let k = k0 + at.along;
  let tap = k % TAPS;
  let dy = i32(tap / TAPS_X) * params.stepY;
  let dx = i32(tap % TAPS_X) * params.stepX;
  let y = at.y + dy;
  let x = at.x + dx;
  let index = vec4u(at.start + (i32(k / TAPS) * params.inH + dy) * params.inW + dx);
  let value = vec4f(input[index.x], input[index.y], input[index.z], input[index.w]);
  let inside = (y >= vec4i()) & (y < vec4i(params.inH)) & (x >= vec4i()) & (x < vec4i(params.inW)) & vec4<bool>(k < kTo);
  return select(vec4f(), value, inside);
}

/** What is stored at a place: the sum, or its ReLU, or as the gradient of a ReLU, where that ReLU's result is positive. */
fn finish(sum: f32, at: u32) -> f32 {
//#if EPILOGUE == relu
  return max(sum, 0.0);
//#else
//#if EPILOGUE == reluGrad
  return select(0.0, sum, mask[at] > 0.0);
//#else
  return sum;
//#end
//#end
}

fn store1(tile: Tile, row: u32, col: u32, v: f32) {
  if (row >= params.k || col >= params.columns) {
    return;
  }
  let channel = tile.group * params.k + row;
  let x = col % params.gridW * params.outStrideX + params.outOriginX;
  let y = col / params.gridW % params.gridH * params.outStrideY + params.outOriginY;
  let image = col / (params.gridW * params.gridH);
  let at = ((image * params.groups * params.k + channel) * params.outH + y) * params.outW + x;
  var sum = v;
  if (params.hasBias == 1u) {
    sum += bias[channel];
  }
  output[at] = finish(sum, at);
}
