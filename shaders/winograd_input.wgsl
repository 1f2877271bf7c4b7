// Winograd F(TILE x TILE, 3x3): the input transform V = B^T d B of every SIDE x SIDE window d of the input, for TILE x TILE tiles
// of outputs; SIDE = TILE + 2.
//
//     Y = A^T [ (G g G^T) . (B^T d B) ] A     (. elementwise, summed over input channels: SIDE^2 matrix products)
//
// takes 36 multiplications for 16 outputs of a 3 x 3 kernel where the definition takes 144, or 16 for 4 where it takes 36. The
// points are 0, 1, -1, infinity, and for tiles of 4 also 2 and -2. Lavin and Gray, "Fast algorithms for convolutional neural
// networks", CVPR 2016, sections 4.1 and 4.3; here
//           | 4  0 -5  0  1  0 |
//           | 0 -4 -4  1  1  0 |             | 1  0 -1  0 |
//     B^T = | 0  4 -4 -1  1  0 |     B^T  =  | 0  1  1  0 |
//       4   | 0 -2 -1  2  1  0 |       2     | 0 -1  1  0 |
//           | 0  2 -1 -2  1  0 |             | 0 -1  0  1 |
//           | 0  4  0 -5  0  1 |
//
// One invocation transforms one window of one channel. Out: v[point][channel][tile], with the tiles padded to a multiple of
// four by zeros. Positions outside the input are zero.
struct Params {
  count: u32,     // channels * tiles
  channels: u32,
  tiles: u32,     // images * tilesY * tilesX, padded
  first: u32,     // of the images transformed
  images: u32,
  tilesY: u32,
  tilesX: u32,
  height: u32,
  width: u32,
  paddingY: u32,
  paddingX: u32,
  gridX: u32,
};
@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> v: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let index = (wg.y * params.gridX + wg.x) * 64u + lid;
  if (index >= params.count) {
    return;
  }
  let tile = index % params.tiles;
  let channel = index / params.tiles;
  let tx = tile % params.tilesX;
  let ty = tile / params.tilesX % params.tilesY;
  let n = tile / (params.tilesX * params.tilesY);
  let top = i32(ty * TILE) - i32(params.paddingY);
  let left = i32(tx * TILE) - i32(params.paddingX);
  let width = i32(params.width);
  let base = (i32((params.first + n) * params.channels + channel) * i32(params.height) + top) * width + left;
  //#unroll i 0 SIDE
  let rowIn_$i = n < params.images && top + $i >= 0 && top + $i < i32(params.height);
  let colIn_$i = left + $i >= 0 && left + $i < width;
  //#end
  //#unroll i 0 SIDE
  //#unroll j 0 SIDE
  let d_$[i]_$j = select(0.0, input[u32(base + $i * width + $j)], rowIn_$i & colIn_$j);
  //#end
  //#end
  //#unroll j 0 SIDE
  //#if TILE == 4
  let p_$j = d_4_$j - 4.0 * d_2_$j;
  let q_$j = d_3_$j - 4.0 * d_1_$j;
  let r_$j = d_4_$j - d_2_$j;
  let s_$j = 2.0 * (d_3_$j - d_1_$j);
  let t_0_$j = 4.0 * d_0_$j - 5.0 * d_2_$j + d_4_$j;
  let t_1_$j = p_$j + q_$j;
  let t_2_$j = p_$j - q_$j;
  let t_3_$j = r_$j + s_$j;
  let t_4_$j = r_$j - s_$j;
  let t_5_$j = 4.0 * d_1_$j - 5.0 * d_3_$j + d_5_$j;
  //#else
  let t_0_$j = d_0_$j - d_2_$j;
  let t_1_$j = d_1_$j + d_2_$j;
  let t_2_$j = d_2_$j - d_1_$j;
  let t_3_$j = d_3_$j - d_1_$j;
  //#end
  //#end
  //#unroll i 0 SIDE
  {
    //#if TILE == 4
    let p = t_$[i]_4 - 4.0 * t_$[i]_2;
    let q = t_$[i]_3 - 4.0 * t_$[i]_1;
    let r = t_$[i]_4 - t_$[i]_2;
    let s = 2.0 * (t_$[i]_3 - t_$[i]_1);
    v[index + $[6 * i]u * params.count] = 4.0 * t_$[i]_0 - 5.0 * t_$[i]_2 + t_$[i]_4;
    v[index + $[6 * i + 1]u * params.count] = p + q;
    v[index + $[6 * i + 2]u * params.count] = p - q;
    v[index + $[6 * i + 3]u * params.count] = r + s;
    v[index + $[6 * i + 4]u * params.count] = r - s;
    v[index + $[6 * i + 5]u * params.count] = 4.0 * t_$[i]_1 - 5.0 * t_$[i]_3 + t_$[i]_5;
    //#else
    v[index + $[4 * i]u * params.count] = t_$[i]_0 - t_$[i]_2;
    v[index + $[4 * i + 1]u * params.count] = t_$[i]_1 + t_$[i]_2;
    v[index + $[4 * i + 2]u * params.count] = t_$[i]_2 - t_$[i]_1;
    v[index + $[4 * i + 3]u * params.count] = t_$[i]_3 - t_$[i]_1;
    //#end
  }
  //#end
}
