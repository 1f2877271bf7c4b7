// The gradient of the mutual information (mutual_information.wgsl) with respect to both sets of logits, for up to 32
// classes, in one dispatch. With L = log_ratio, which is dMI/dP up to constants that the softmax removes,
//
//     h_ia = (1/m) sum_b q_ib L_ab        k_ib = (1/m) sum_a p_ia L_ab        s_i = sum_a p_ia h_ia = sum_b q_ib k_ib
//     d natural_ia = g p_ia (h_ia - s_i)                     d adversarial_ib = g q_ib (k_ib - s_i)
//
// Symmetrised or not: dMI/dJ = (L + L^T) / 2, and with P = (J + J^T) / 2 the log-ratios are symmetric already.
// One thread per row, no barriers: the row of q and its k stay in registers, the rows of L pass by.
//
// Constants: C4 = ceil(C / 4), rows of `probabilities` and `log_ratio` are padded to C4 vec4 with zeros; WG threads.

struct Params {
  rows: u32,
  classes: u32,
}

// [2, m, C4]: p, then q
@group(0) @binding(0) var<storage, read> probabilities: array<vec4f>;
// [C, C4]
@group(0) @binding(1) var<storage, read> log_ratio: array<vec4f>;
// the upstream gradient, one number
@group(0) @binding(2) var<storage, read> upstream: array<f32>;
// [m, C]
@group(0) @binding(3) var<storage, read_write> d_natural: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_adversarial: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  let p = row * C4;
  let q = (params.rows + row) * C4;
  //#unroll i 0 C4
  let q_$i = probabilities[q + $iu];
  var k_$i = vec4f(0.0);
  //#end

  var s = 0.0;
  for (var a = 0u; a < params.classes; a++) {
    let p_a = probabilities[p + a / 4u][a % 4u];
    var h = vec4f(0.0);
    //#unroll i 0 C4
    let l_$i = log_ratio[a * C4 + $iu];
    h += q_$i * l_$i;
    k_$i += p_a * l_$i;
    //#end
    let h_a = h.x + h.y + h.z + h.w;
    s += p_a * h_a;
    d_natural[row * params.classes + a] = h_a;
  }

  let scale = upstream[0] / f32(params.rows);
  for (var a = 0u; a < params.classes; a++) {
    d_natural[row * params.classes + a] = scale * probabilities[p + a / 4u][a % 4u] * (d_natural[row * params.classes + a] - s);
  }
  //#unroll i 0 C4
  let d_$i = scale * q_$i * (k_$i - s);
  //#unroll j 0 4
  if ($[4 * i + j]u < params.classes) {
    d_adversarial[row * params.classes + $[4 * i + j]u] = d_$i[$j];
  }
  //#end
  //#end
}
