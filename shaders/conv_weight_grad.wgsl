// Weight gradient of a convolution, for any kernel size, stride, dilation and grouping:
//     dW[k, c, r, q] = sum_{n, y, x} dY[n, k, y, x] * in[n, c, y * stride + origin + r * step, ...]
//
// A lane owns TN columns, a column being an input channel and a block of BR x BQ kernel taps (all taps of a small stride-1
// kernel, or one tap), for TK output channels. It walks over patches of TY x TX output positions, reads the input under the
// patch once, and adds dY times input to its TN * BR * BQ * TK sums. The patches are split between workgroups; each
// split writes its own partial sums, which conv_sum adds in order, so the result does not depend on timing.
//
// dY is the same for all lanes and is shared as the weights are in conv_direct: BCAST (each lane loads one value of SG,
// subgroupBroadcast hands it round), QUAD (one of four, handed round by quad swaps: sum 4 i + m of lane l belongs to output
// channel 4 i + (l ^ m)), or loaded by every lane (no subgroups needed).
//
// There are no functions here on purpose: one driver's compiler needs minutes for this kernel once a call is inlined.
//#if SHARED
enable subgroups;
//#end

struct Params {
  images: u32,
  tilesY: u32,      // patches of an image
  tilesX: u32,
  tilesPerSplit: u32,
  splitSize: u32,   // elements of one split's partial sums: the size of the weight
  c: u32,           // input channels of a group
  k: u32,           // output channels of a group
  kBlocks: u32,
  groups: u32,
  blocksY: u32,     // tap blocks
  blocksX: u32,
  inH: u32,
  inW: u32,
  outH: u32,
  outW: u32,
  inStrideY: u32,
  inStrideX: u32,
  originY: i32,
  originX: i32,
  stepY: u32,
  stepX: u32,
};
@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(local_invocation_index) lid: u32,
  //#if SHARED
  @builtin(subgroup_invocation_id) lane: u32,
  //#end
) {
  let group = wg.y / params.kBlocks;
  let k0 = wg.y % params.kBlocks * TK;
  let plane = i32(params.inH * params.inW);
  let outPlane = params.outH * params.outW;
  let blocks = params.blocksY * params.blocksX;
  let columns = params.c * blocks;
  // Columns past the last repeat it; they store nothing.
  //#unroll j 0 TN
  let column_$j = (wg.x * TN + $[j]u) * WG + lid;
  let c_$j = min(column_$j, columns - 1u) / blocks;
  let tap_$j = min(column_$j, columns - 1u) % blocks;
  let top_$j = params.originY + i32(tap_$j / params.blocksX * BR * params.stepY);
  let left_$j = params.originX + i32(tap_$j % params.blocksX * BQ * params.stepX);
  //#unroll k 0 TK
  //#unroll t 0 BT
  var acc_$[k]_$[j]_$t = 0.0;
  //#end
  //#end
  //#end

  let tiles = params.images * params.tilesY * params.tilesX;
  let first = wg.z * params.tilesPerSplit;
  let last = min(first + params.tilesPerSplit, tiles);
  var tx = first % params.tilesX;
  var ty = first / params.tilesX % params.tilesY;
  var n = first / (params.tilesX * params.tilesY);
  for (var tile = first; tile < last; tile++) {
    let y0 = ty * TY;
    let x0 = tx * TX;
    let dyBase = ((n * params.groups + group) * params.k + k0) * outPlane + y0 * params.outW + x0;
    //#unroll y 0 TY
    let yIn_$y = y0 + $[y]u < params.outH;
    //#end
    //#unroll x 0 TX
    let xIn_$x = x0 + $[x]u < params.outW;
    //#end
    //#if BCAST
    // Value i of the TK * TP needed is output channel i / TP at position i % TP of the patch.
    //#unroll i 0 NL
    let k_$i = ($[i]u * SG + lane) / TP;
    let gy_$i = ($[i]u * SG + lane) % TP / TX;
    let gx_$i = ($[i]u * SG + lane) % TX;
    let in_$i = k0 + k_$i < params.k && y0 + gy_$i < params.outH && x0 + gx_$i < params.outW;
    let g_$i = select(0.0, dy[dyBase + (k_$i * params.outH + gy_$i) * params.outW + gx_$i], in_$i);
    //#end
    //#end
    //#unroll j 0 TN
    let base_$j = i32((n * params.groups + group) * params.c + c_$j) * plane;
    //#unroll a 0 PH
    let row_$[j]_$a = i32((y0 + $[a]u) * params.inStrideY) + top_$j;
    let rowIn_$[j]_$a = row_$[j]_$a >= 0 && row_$[j]_$a < i32(params.inH);
    //#end
    //#unroll b 0 PW
    let col_$[j]_$b = i32((x0 + $[b]u) * params.inStrideX) + left_$j;
    let colIn_$[j]_$b = col_$[j]_$b >= 0 && col_$[j]_$b < i32(params.inW);
    //#end
    //#unroll a 0 PH
    //#unroll b 0 PW
    let x_$[j]_$[a]_$b = select(0.0, input[u32(base_$j + row_$[j]_$a * i32(params.inW) + col_$[j]_$b)], rowIn_$[j]_$a && colIn_$[j]_$b);
    //#end
    //#end
    //#end
    //#unroll y 0 TY
    //#unroll x 0 TX
    //#if QUAD
    //#unroll i 0 TK4
    {
      let k = $[4 * i]u + (lane & 3u);
      let inside = k0 + k < params.k && yIn_$y && xIn_$x;
      let g_0 = select(0.0, dy[dyBase + (k * params.outH + $[y]u) * params.outW + $[x]u], inside);
      let g_1 = quadSwapX(g_0);
      let g_2 = quadSwapY(g_0);
      let g_3 = quadSwapDiagonal(g_0);
      //#unroll m 0 4
      //#unroll j 0 TN
      //#unroll r 0 BR
      //#unroll q 0 BQ
      acc_$[4 * i + m]_$[j]_$[r * BQ + q] += g_$m * x_$[j]_$[y + r]_$[x + q];
      //#end
      //#end
      //#end
      //#end
    }
    //#end
    //#else
    //#unroll k 0 TK
    {
      //#if BCAST
      let g = subgroupBroadcast(g_$[(k * TP + y * TX + x) / SG], $[(k * TP + y * TX + x) % SG]u);
      //#else
      let inside = k0 + $[k]u < params.k && yIn_$y && xIn_$x;
      let g = select(0.0, dy[dyBase + ($[k]u * params.outH + $[y]u) * params.outW + $[x]u], inside);
      //#end
      //#unroll j 0 TN
      //#unroll r 0 BR
      //#unroll q 0 BQ
      acc_$[k]_$[j]_$[r * BQ + q] += g * x_$[j]_$[y + r]_$[x + q];
      //#end
      //#end
      //#end
    }
    //#end
    //#end
    //#end
    //#end
    // The next patch, without a division.
    tx++;
    let newRow = tx == params.tilesX;
    tx = select(tx, 0u, newRow);
    ty += u32(newRow);
    let newImage = ty == params.tilesY;
    ty = select(ty, 0u, newImage);
    n += u32(newImage);
  }

  //#unroll j 0 TN
  if (column_$j < columns) {
    let kernelW = params.blocksX * BQ;
    let tap = tap_$j / params.blocksX * BR * kernelW + tap_$j % params.blocksX * BQ;
    //#unroll k 0 TK
    {
      //#if QUAD
      let k = k0 + $[k / 4 * 4]u + ((lane & 3u) ^ $[k % 4]u);
      //#else
      let k = k0 + $[k]u;
      //#end
      if (k < params.k) {
        let at = wg.z * params.splitSize + ((group * params.k + k) * params.c + c_$j) * blocks * BT + tap;
        //#unroll r 0 BR
        //#unroll q 0 BQ
        partial[at + $[r]u * kernelW + $[q]u] = acc_$[k]_$[j]_$[r * BQ + q];
        //#end
        //#end
      }
    }
    //#end
  }
  //#end
}
