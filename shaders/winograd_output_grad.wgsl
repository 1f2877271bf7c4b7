// Winograd F(TILE x TILE, 3x3), weight gradient: the transform Z = A dY A^T of every TILE x TILE tile of dY.
//
// The forward pass Y = A^T [U . V] A is linear in U, so its adjoint gives dU = (A dY A^T) . V summed over the tiles (SIDE^2 matrix
// products) and dW = G^T dU G; A and G as in winograd_output and winograd_weight, V from winograd_input.
//
// One invocation transforms one tile of one channel. Out: z[point][k][tile], with the tiles padded to a multiple of four by
// zeros.
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
  gridX: u32,
};
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> z: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

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
  let corner = (((params.first + n) * params.channels + channel) * params.height + y0) * params.width + x0;
  //#unroll i 0 TILE
  let rowIn_$i = n < params.images && y0 + $[i]u < params.height;
  let colIn_$i = x0 + $[i]u < params.width;
  //#end
  //#unroll i 0 TILE
  //#unroll j 0 TILE
  let d_$[i]_$j = select(0.0, dy[corner + $[i]u * params.width + $[j]u], rowIn_$i & colIn_$j);
  //#end
  //#end
  //#unroll j 0 TILE
  //#if TILE == 4
  let even_$j = d_0_$j + d_2_$j;
  let odd_$j = d_1_$j + d_3_$j;
  let even2_$j = d_0_$j + 4.0 * d_2_$j;
  let odd2_$j = 2.0 * d_1_$j + 8.0 * d_3_$j;
  let t_0_$j = d_0_$j;
  let t_1_$j = even_$j + odd_$j;
  let t_2_$j = even_$j - odd_$j;
  let t_3_$j = even2_$j + odd2_$j;
  let t_4_$j = even2_$j - odd2_$j;
  let t_5_$j = d_3_$j;
  //#else
  let t_0_$j = d_0_$j;
  let t_1_$j = d_0_$j + d_1_$j;
  let t_2_$j = d_0_$j - d_1_$j;
  let t_3_$j = d_1_$j;
  //#end
  //#end
  //#unroll i 0 SIDE
  {
    //#if TILE == 4
    let even = t_$[i]_0 + t_$[i]_2;
    let odd = t_$[i]_1 + t_$[i]_3;
    let even2 = t_$[i]_0 + 4.0 * t_$[i]_2;
    let odd2 = 2.0 * t_$[i]_1 + 8.0 * t_$[i]_3;
    z[index + $[6 * i]u * params.count] = t_$[i]_0;
    z[index + $[6 * i + 1]u * params.count] = even + odd;
    z[index + $[6 * i + 2]u * params.count] = even - odd;
    z[index + $[6 * i + 3]u * params.count] = even2 + odd2;
    z[index + $[6 * i + 4]u * params.count] = even2 - odd2;
    z[index + $[6 * i + 5]u * params.count] = t_$[i]_3;
    //#else
    z[index + $[4 * i]u * params.count] = t_$[i]_0;
    z[index + $[4 * i + 1]u * params.count] = t_$[i]_0 + t_$[i]_1;
    z[index + $[4 * i + 2]u * params.count] = t_$[i]_0 - t_$[i]_1;
    z[index + $[4 * i + 3]u * params.count] = t_$[i]_1;
    //#end
  }
  //#end
}
