// The gradient of boosted_cross_entropy.wgsl, one thread per logit. With r = softmax of z without the rival k (r_k = 0) and
// q = softmax(z), so q_j = r_j (1 - q_k) for j != k,
//
//     d/dz_j  -ln q_y           = q_j - [j = y]
//     d/dz_j  -ln(1 - q_k)      = q_k ([j = k] - r_j)
//     d/dz_j  -ln(1.0001 - q_k) = q_k ([j = k] - q_j) / (1.0001 - q_k)          with COMPAT
//
// times the upstream gradient of the row. The choice of k is not differentiated.

struct Params {
  rows: u32,
  classes: u32,
}

// [m, C]
@group(0) @binding(0) var<storage, read> logits: array<f32>;
// [m]
@group(0) @binding(1) var<storage, read> labels: array<i32>;
// [m]: M = the largest z_j but z_k, lse(z without z_k) - M, k, q_k
@group(0) @binding(2) var<storage, read> saved: array<vec4f>;
// [m]
@group(0) @binding(3) var<storage, read> upstream: array<f32>;
// [m, C]
@group(0) @binding(4) var<storage, read_write> d_logits: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let at = (group.y * groups.x + group.x) * 64u + thread;
  if (at >= params.rows * params.classes) {
    return;
  }
  let row = at / params.classes;
  let j = at % params.classes;
  let y = u32(clamp(labels[row], 0, i32(params.classes) - 1));
  let kept = saved[row];
  let is_rival = j == u32(kept.z);
  let q_rival = kept.w;
  let r = select(small_exp(logits[at] - kept.x - kept.y), 0.0, is_rival);
  let q = select(r * (1.0 - q_rival), q_rival, is_rival);

  var d = q - f32(j == y);
  if (COMPAT) {
    d += q_rival * (f32(is_rival) - q) / (1.0001 - q_rival + 1e-12);
  } else {
    d += q_rival * (f32(is_rival) - r);
  }
  d_logits[at] = upstream[row] * d;
}

// exp of a number <= 0, up to rounding, that may be too small for some implementations to take.
fn small_exp(x: f32) -> f32 {
  return exp(clamp(x, -150.0, 0.0));
}
