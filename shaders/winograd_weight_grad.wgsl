// Winograd F(TILE x TILE, 3x3), weight gradient: dW = G^T dU G for every kernel (see winograd_output_grad; G as in winograd_weight).
//
// In: du[part][point][k][c], parts of one sum; `count` kernels.
struct Params {
  count: u32,
  parts: u32,
  stride: u32,    // elements from part to part
  gridX: u32,
};
@group(0) @binding(0) var<storage, read> du: array<f32>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let index = (wg.y * params.gridX + wg.x) * 64u + lid;
  if (index >= params.count) {
    return;
  }
  //#unroll i 0 SIDE
  //#unroll j 0 SIDE
  var u_$[i]_$j = du[index + $[SIDE * i + j]u * params.count];
  //#end
  //#end
  for (var part = 1u; part < params.parts; part++) {
    let base = part * params.stride + index;
    //#unroll i 0 SIDE
    //#unroll j 0 SIDE
    u_$[i]_$j += du[base + $[SIDE * i + j]u * params.count];
    //#end
    //#end
  }
  //#unroll j 0 SIDE
  //#if TILE == 4
  let near_$j = (u_1_$j + u_2_$j) * (-1.0 / 6.0);
  let far_$j = u_3_$j + u_4_$j;
  let t_0_$j = u_0_$j * 0.25 + near_$j + far_$j * (1.0 / 24.0);
  let t_1_$j = (u_2_$j - u_1_$j) * (1.0 / 6.0) + (u_3_$j - u_4_$j) * (1.0 / 12.0);
  let t_2_$j = near_$j + far_$j * (1.0 / 6.0) + u_5_$j;
  //#else
  let near_$j = 0.5 * (u_1_$j + u_2_$j);
  let t_0_$j = u_0_$j + near_$j;
  let t_1_$j = 0.5 * (u_1_$j - u_2_$j);
  let t_2_$j = near_$j + u_3_$j;
  //#end
  //#end
  //#unroll i 0 3
  {
    //#if TILE == 4
    let near = (t_$[i]_1 + t_$[i]_2) * (-1.0 / 6.0);
    let far = t_$[i]_3 + t_$[i]_4;
    dw[index * 9u + $[3 * i]u] = t_$[i]_0 * 0.25 + near + far * (1.0 / 24.0);
    dw[index * 9u + $[3 * i + 1]u] = (t_$[i]_2 - t_$[i]_1) * (1.0 / 6.0) + (t_$[i]_3 - t_$[i]_4) * (1.0 / 12.0);
    dw[index * 9u + $[3 * i + 2]u] = near + far * (1.0 / 6.0) + t_$[i]_5;
    //#else
    let near = 0.5 * (t_$[i]_1 + t_$[i]_2);
    dw[index * 9u + $[3 * i]u] = t_$[i]_0 + near;
    dw[index * 9u + $[3 * i + 1]u] = 0.5 * (t_$[i]_1 - t_$[i]_2);
    dw[index * 9u + $[3 * i + 2]u] = near + t_$[i]_3;
    //#end
  }
  //#end
}
