// Direct convolution in registers, for any kernel size, stride, dilation and grouping, forward and input gradient.
//
// A lane computes a patch of TY x TX outputs of one image for TK output channels, so it reads each input of the patch once
// and uses it for up to BR * BQ taps and TK channels. Lanes are patches (image, row, column) in flattened order, so no lane
// idles for the sake of an awkward width. The kernel's taps are visited in blocks of BR x BQ, unrolled; everything else
// is a loop over uniforms:
//     out[n, k, y, x] = bias[k] + sum_{block, c, (r, q) in block} weight[k, c, tap] *
//                       in[n, c, y * inStride + origin + tap * step]
// Blocks other than 1 x 1 need inStride = step = 1. The input gradient of a stride-s convolution is s * s of these, one for
// each residue of the position, every one with its own subset of the taps (tapBase, tapStride) and with the outputs spread
// by outStride: no zero is multiplied.
//
// Weights come packed by conv_pack, [group][kBlock][tapBlock][channel][BR * BQ][TK]. How a workgroup shares them:
//   BCAST  each lane loads one weight of SG in a row, and subgroupBroadcast hands it round: one load for SG weights;
//   QUAD   each lane of a quad loads one weight of four, and quad swaps hand it round: accumulator 4 i + m of lane l belongs
//          to channel 4 i + (l ^ m). A swap is one instruction even where a broadcast is not;
//   else   every lane loads every weight, four at a time where TK allows (no subgroups needed).
// EPILOGUE says what becomes of the sums as they are stored.
// FULL says that TK divides the channels of a group, which saves a comparison for every output; ONE_BLOCK that there is one
// block of taps, which saves two loops, and with each of them a masked copy of all sums.
// A load costs several multiplications on the drivers that emulate a GPU, so what counts there is sums per load; but more
// than some 32 sums a lane (8-wide vectors) or 64 (4-wide) spill and compile slowly.
//#if SHARED
enable subgroups;
//#end

struct Params {
  tiles: u32,     // patches: images * tilesY * tilesX
  tilesY: u32,
  tilesX: u32,
  gridX: u32,     // workgroups along x; the y dimension continues them
  c: u32,         // input channels of a group
  inH: u32,
  inW: u32,
  inStrideY: u32,
  inStrideX: u32,
  originY: i32,
  originX: i32,
  stepY: i32,
  stepX: i32,
  blocksY: u32,   // tap blocks to visit along y
  blocksX: u32,
  tapBase: u32,   // the first block's number, and the distance to the next along y and x
  tapStrideY: u32,
  tapStrideX: u32,
  tapBlocks: u32, // blocks in the packed weights
  k: u32,         // output channels of a group
  kBlocks: u32,
  groups: u32,
  gridH: u32,     // rows and columns computed
  gridW: u32,
  outH: u32,      // rows and columns of the whole output
  outW: u32,
  outStrideY: u32,
  outStrideX: u32,
  outOriginY: u32,
  outOriginX: u32,
  hasBias: u32,
};
@group(0) @binding(0) var<storage, read> input: array<f32>;
//#if VEC_WEIGHT
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
//#else
@group(0) @binding(1) var<storage, read> weight: array<f32>;
//#end
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
//#if EPILOGUE == reluGrad
@group(0) @binding(4) var<storage, read> mask: array<f32>;
//#end
@group(0) @binding(31) var<uniform> params: Params;

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

fn store(at: u32, sum: f32) { output[at] = finish(sum, at); }

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(local_invocation_index) lid: u32,
  //#if SHARED
  @builtin(subgroup_invocation_id) lane: u32,
  //#end
) {
  // Lanes past the last patch repeat it, so that the whole subgroup stays active; they store nothing.
  let index = (wg.y * params.gridX + wg.x) * WG + lid;
  let tile = min(index, params.tiles - 1u);
  let x0 = (tile % params.tilesX) * TX;
  let y0 = (tile / params.tilesX % params.tilesY) * TY;
  let n = tile / (params.tilesX * params.tilesY);
  let group = wg.z / params.kBlocks;
  let k0 = wg.z % params.kBlocks * TK;
  let plane = params.inH * params.inW;
  let image = (n * params.groups + group) * params.c * plane;
  let packedBlock = params.c * NW;
  let top = i32(y0 * params.inStrideY) + params.originY;
  let left = i32(x0 * params.inStrideX) + params.originX;

  // The bias is shared as the weights are; channels past the last compute nonsense that is not stored.
  let withBias = params.hasBias == 1u;
  let firstBias = group * params.k;
  let lastBias = firstBias + params.k - 1u;
  //#if BCAST
  //#unroll j 0 NB
  let bias_$j = select(0.0, bias[min(firstBias + k0 + $[j]u * SG + lane, lastBias)], withBias);
  //#end
  //#end
  //#unroll k 0 TK
  //#if QUAD
  let k_$k = k0 + $[k / 4 * 4]u + ((lane & 3u) ^ $[k % 4]u);
  //#else
  let k_$k = k0 + $[k]u;
  //#end
  //#if BCAST
  let init_$k = subgroupBroadcast(bias_$[k / SG], $[k % SG]u);
  //#else
  let init_$k = select(0.0, bias[min(firstBias + k_$k, lastBias)], withBias);
  //#end
  //#unroll p 0 TP
  var acc_$[k]_$p = init_$k;
  //#end
  //#end

  //#if ONE_BLOCK
  {
    let by = 0u;
    {
      let bx = 0u;
  //#else
  for (var by = 0u; by < params.blocksY; by++) {
    for (var bx = 0u; bx < params.blocksX; bx++) {
  //#end
      let block = params.tapBase + by * params.tapStrideY + bx * params.tapStrideX;
      var w = (wg.z * params.tapBlocks + block) * packedBlock;
      //#unroll a 0 PH
      let row_$a = top + i32($[a]u * params.inStrideY) + i32(by * BR) * params.stepY;
      let rowIn_$a = row_$a >= 0 && row_$a < i32(params.inH);
      //#end
      //#unroll b 0 PW
      let col_$b = left + i32($[b]u * params.inStrideX) + i32(bx * BQ) * params.stepX;
      let colIn_$b = col_$b >= 0 && col_$b < i32(params.inW);
      //#end
      let rowStep = i32(params.inStrideY * params.inW);
      let colStep = i32(params.inStrideX);
      var base = i32(image) + row_0 * i32(params.inW) + col_0;
      for (var c = 0u; c < params.c; c++) {
        //#if BCAST
        //#unroll j 0 NL
        let w_$j = weight[w + $[j]u * SG + lane];
        //#end
        //#end
        //#unroll a 0 PH
        //#unroll b 0 PW
        let x_$[a]_$b = select(0.0, input[u32(base + $a * rowStep + $b * colStep)], rowIn_$a & colIn_$b);
        //#end
        //#end
        base += i32(plane);
        //#unroll r 0 BR
        //#unroll q 0 BQ
        //#if FOURS
        //#unroll i 0 TK4
        {
          //#if QUAD
          let v_0 = weight[w + $[(r * BQ + q) * TK + 4 * i]u + (lane & 3u)];
          let v_1 = quadSwapX(v_0);
          let v_2 = quadSwapY(v_0);
          let v_3 = quadSwapDiagonal(v_0);
          //#else
          let v = weight[w / 4u + $[((r * BQ + q) * TK + 4 * i) / 4]u];
          let v_0 = v.x;
          let v_1 = v.y;
          let v_2 = v.z;
          let v_3 = v.w;
          //#end
          //#unroll m 0 4
          //#unroll y 0 TY
          //#unroll x 0 TX
          acc_$[4 * i + m]_$[y * TX + x] += v_$m * x_$[y + r]_$[x + q];
          //#end
          //#end
          //#end
        }
        //#end
        //#else
        //#unroll k 0 TK
        {
          //#if BCAST
          let v = subgroupBroadcast(w_$[((r * BQ + q) * TK + k) / SG], $[((r * BQ + q) * TK + k) % SG]u);
          //#else
          let v = weight[w + $[(r * BQ + q) * TK + k]u];
          //#end
          //#unroll y 0 TY
          //#unroll x 0 TX
          acc_$[k]_$[y * TX + x] += v * x_$[y + r]_$[x + q];
          //#end
          //#end
        }
        //#end
        //#end
        //#end
        //#end
        w += NW;
      }
    }
  }

  if (index >= params.tiles) {
    return;
  }
  let rowPitch = params.outStrideY * params.outW;
  let corner = (y0 * params.outStrideY + params.outOriginY) * params.outW + x0 * params.outStrideX + params.outOriginX;
  let outPlane = params.outH * params.outW;
  let image0 = (n * params.groups + group) * params.k * outPlane + corner;
  //#unroll y 0 TY
  //#unroll x 0 TX
  if (y0 + $[y]u < params.gridH && x0 + $[x]u < params.gridW) {
    let at = image0 + $[y]u * rowPitch + $[x]u * params.outStrideX;
    //#unroll k 0 TK
    //#if FULL
    store(at + k_$k * outPlane, acc_$[k]_$[y * TX + x]);
    //#else
    if (k_$k < params.k) {
      store(at + k_$k * outPlane, acc_$[k]_$[y * TX + x]);
    }
    //#end
    //#end
  }
  //#end
  //#end
}
