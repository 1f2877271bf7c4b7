// Winograd F(TILE x TILE, 3x3): the output transform Y = A^T M A of every SIDE x SIDE tile of products (see winograd_input), plus
// the bias:
//           | 1  1  1  1  1  0 |
//     A^T = | 0  1 -1  2 -2  0 |     A^T = | 1  1  1  0 |
//       4   | 0  1  1  4  4  0 |       2   | 0  1 -1  1 |
//           | 0  1 -1  8 -8  1 |
//
// One invocation makes the TILE x TILE outputs of one tile of one channel from m[point][k][tile]; those outside the image are
// not stored. WHOLE says that there are none; EPILOGUE, what becomes of the outputs as they are stored.
struct Params {
  count: u32,     // channels * tiles
  channels: u32,
  tiles: u32,     // images * tilesY * tilesX, padded to a multiple of four
  first: u32,     // of the images transformed
  images: u32,
  tilesY: u32,
  tilesX: u32,
  height: u32,
  width: u32,
  hasBias: u32,
  gridX: u32,
};
@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
//#if EPILOGUE == reluGrad
@group(0) @binding(3) var<storage, read> mask: array<f32>;
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let index = (wg.y * params.gridX + wg.x) * 64u + lid;
  if (index >= params.count) {
    return;
  }
  let tile = index % params.tiles;
  let channel = index / params.tiles;
  let x0 = tile % params.tilesX * TILE;
  let y0 = tile / params.tilesX % params.tilesY * TILE;
  let n = tile / (params.tilesX * params.tilesY);
  if (n >= params.images) {
    return;
  }
  //#unroll i 0 SIDE
  //#unroll j 0 SIDE
  let m_$[i]_$j = m[index + $[SIDE * i + j]u * params.count];
  //#end
  //#end
  //#unroll j 0 SIDE
  //#if TILE == 4
  let sum_$j = m_1_$j + m_2_$j;
  let dif_$j = m_1_$j - m_2_$j;
  let sum2_$j = m_3_$j + m_4_$j;
  let dif2_$j = m_3_$j - m_4_$j;
  let t_0_$j = m_0_$j + sum_$j + sum2_$j;
  let t_1_$j = dif_$j + 2.0 * dif2_$j;
  let t_2_$j = sum_$j + 4.0 * sum2_$j;
  let t_3_$j = dif_$j + 8.0 * dif2_$j + m_5_$j;
  //#else
  let t_0_$j = m_0_$j + m_1_$j + m_2_$j;
  let t_1_$j = m_1_$j - m_2_$j + m_3_$j;
  //#end
  //#end
  var offset = 0.0;
  if (params.hasBias == 1u) {
    offset = bias[channel];
  }
  let corner = (((params.first + n) * params.channels + channel) * params.height + y0) * params.width + x0;
  //#unroll i 0 TILE
  //#if WHOLE
  {
  //#else
  if (y0 + $[i]u < params.height) {
  //#end
    let row = corner + $[i]u * params.width;
    //#if TILE == 4
    let sum = t_$[i]_1 + t_$[i]_2;
    let dif = t_$[i]_1 - t_$[i]_2;
    let sum2 = t_$[i]_3 + t_$[i]_4;
    let dif2 = t_$[i]_3 - t_$[i]_4;
    let y_0 = t_$[i]_0 + sum + sum2 + offset;
    let y_1 = dif + 2.0 * dif2 + offset;
    let y_2 = sum + 4.0 * sum2 + offset;
    let y_3 = dif + 8.0 * dif2 + t_$[i]_5 + offset;
    //#else
    let y_0 = t_$[i]_0 + t_$[i]_1 + t_$[i]_2 + offset;
    let y_1 = t_$[i]_1 - t_$[i]_2 + t_$[i]_3 + offset;
    //#end
    output[row] = finish(y_0, row);
    //#unroll j 1 TILE
    //#if !WHOLE
    if (x0 + $[j]u < params.width)
    //#end
    {
      output[row + $[j]u] = finish(y_$j, row + $[j]u);
    }
    //#end
  }
  //#end
}
