// Winograd F(TILE x TILE, 3x3): the weight transform U = G g G^T of every 3 x 3 kernel (see winograd_input), with
//         |  1/4    0    0  |
//         | -1/6 -1/6 -1/6  |          |  1    0    0  |
//     G = | -1/6  1/6 -1/6  |      G = | 1/2  1/2  1/2 |
//      4  | 1/24  1/12  1/6 |       2  | 1/2 -1/2  1/2 |
//         | 1/24 -1/12  1/6 |          |  0    0    1  |
//         |   0     0    1  |
//
// Out: u[point][k][c]. The input gradient is the same convolution of dY with input and output
// channels exchanged and every kernel turned by half a turn (FLIP).
struct Params {
  k: u32,         // output channels
  c: u32,         // input channels
  strideK: u32,   // of the weight
  strideC: u32,
  gridX: u32,
};
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let index = (wg.y * params.gridX + wg.x) * 64u + lid;
  if (index >= params.k * params.c) {
    return;
  }
  let c = index % params.c;
  let k = index / params.c;
  let base = k * params.strideK + c * params.strideC;
  //#unroll r 0 3
  //#unroll q 0 3
  //#if FLIP
  let g_$[r]_$q = weight[base + $[8 - 3 * r - q]u];
  //#else
  let g_$[r]_$q = weight[base + $[3 * r + q]u];
  //#end
  //#end
  //#end
  //#unroll q 0 3
  //#if TILE == 4
  let even_$q = (g_0_$q + g_2_$q) * (-1.0 / 6.0);
  let odd_$q = g_1_$q * (1.0 / 6.0);
  let wide_$q = g_0_$q * (1.0 / 24.0) + g_2_$q * (1.0 / 6.0);
  let half_$q = g_1_$q * (1.0 / 12.0);
  let t_0_$q = g_0_$q * 0.25;
  let t_1_$q = even_$q - odd_$q;
  let t_2_$q = even_$q + odd_$q;
  let t_3_$q = wide_$q + half_$q;
  let t_4_$q = wide_$q - half_$q;
  let t_5_$q = g_2_$q;
  //#else
  let even_$q = 0.5 * (g_0_$q + g_2_$q);
  let odd_$q = 0.5 * g_1_$q;
  let t_0_$q = g_0_$q;
  let t_1_$q = even_$q + odd_$q;
  let t_2_$q = even_$q - odd_$q;
  let t_3_$q = g_2_$q;
  //#end
  //#end
  let plane = params.k * params.c;
  //#unroll i 0 SIDE
  {
    //#if TILE == 4
    let even = (t_$[i]_0 + t_$[i]_2) * (-1.0 / 6.0);
    let odd = t_$[i]_1 * (1.0 / 6.0);
    let wide = t_$[i]_0 * (1.0 / 24.0) + t_$[i]_2 * (1.0 / 6.0);
    let half = t_$[i]_1 * (1.0 / 12.0);
    u[index + $[6 * i]u * plane] = t_$[i]_0 * 0.25;
    u[index + $[6 * i + 1]u * plane] = even - odd;
    u[index + $[6 * i + 2]u * plane] = even + odd;
    u[index + $[6 * i + 3]u * plane] = wide + half;
    u[index + $[6 * i + 4]u * plane] = wide - half;
    u[index + $[6 * i + 5]u * plane] = t_$[i]_2;
    //#else
    let even = 0.5 * (t_$[i]_0 + t_$[i]_2);
    let odd = 0.5 * t_$[i]_1;
    u[index + $[4 * i]u * plane] = t_$[i]_0;
    u[index + $[4 * i + 1]u * plane] = even + odd;
    u[index + $[4 * i + 2]u * plane] = even - odd;
    u[index + $[4 * i + 3]u * plane] = t_$[i]_2;
    //#end
  }
  //#end
}
