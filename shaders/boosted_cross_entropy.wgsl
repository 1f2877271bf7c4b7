// The boosted cross-entropy of MART (Wang et al. 2020; Atsague, Fakorede, Tian 2021, eq. 10), one value per row of logits z:
//
//     -ln q_y - ln(1 - q_k),     q = softmax(z),  k = argmax of z_j over j != y (the lowest index where they tie)
//
// in differences of log-sum-exps, finite for logits of any size. With R = lse of all z_j but z_k, and d = z_k - R:
//
//     -ln(1 - q_k) = lse(z) - R = ln(1 + e^d)          -ln q_y = R - z_y + ln(1 + e^d)
//
// COMPAT replaces the second term by that of MART's published code, -ln(1.0001 - q_k + 1e-12), which is capped.
// `saved` keeps (M, R - M, k, q_k) for the gradient, M the largest z_j but z_k.
//
// LANES threads share a row and meet twice; a workgroup has ROWS rows.

struct Params {
  rows: u32,
  classes: u32,
  // lanes that have classes; not a minimum with LANES, from which compilers would unroll loops
  lanes: u32,
}

// [m, C]
@group(0) @binding(0) var<storage, read> logits: array<f32>;
// [m]
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
// [m]
@group(0) @binding(3) var<storage, read_write> saved: array<vec4f>;
@group(0) @binding(31) var<uniform> params: Params;

// A mask, not an infinity: WGSL may assume that there are none.
const LOWEST = -3.4e38;

var<workgroup> rivals: array<u32, ROWS * LANES>;
var<workgroup> rival_logits: array<f32, ROWS * LANES>;
var<workgroup> tops: array<f32, ROWS * LANES>;
var<workgroup> totals: array<f32, ROWS * LANES>;

@compute @workgroup_size(ROWS * LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let lane = thread % LANES;
  let first = thread - lane;
  let own_row = (group.y * groups.x + group.x) * ROWS + thread / LANES;
  // A row past the end repeats the last one, so that all threads reach the barriers.
  let row = min(own_row, params.rows - 1u);
  let base = row * params.classes;
  let y = u32(clamp(labels[row], 0, i32(params.classes) - 1));

  var rival = params.classes;
  var rival_logit = LOWEST;
  for (var j = lane; j < params.classes; j += LANES) {
    let z = logits[base + j];
    if (j != y && (rival == params.classes || z > rival_logit)) {
      rival = j;
      rival_logit = z;
    }
  }
  rivals[thread] = rival;
  rival_logits[thread] = rival_logit;
  workgroupBarrier();
  for (var i = first; i < first + params.lanes; i++) {
    let other = rivals[i];
    let z = rival_logits[i];
    let better = z > rival_logit || (z == rival_logit && other < rival);
    if (other < params.classes && (better || rival == params.classes)) {
      rival = other;
      rival_logit = z;
    }
  }

  var top = LOWEST;
  for (var j = lane; j < params.classes; j += LANES) {
    if (j != rival) {
      top = max(top, logits[base + j]);
    }
  }
  var total = 0.0;
  for (var j = lane; j < params.classes; j += LANES) {
    if (j != rival) {
      total += small_exp(logits[base + j] - top);
    }
  }
  tops[thread] = top;
  totals[thread] = total;
  workgroupBarrier();
  if (lane > 0u || own_row >= params.rows) {
    return;
  }
  for (var i = first; i < first + params.lanes; i++) {
    top = max(top, tops[i]);
  }
  total = 0.0;
  for (var i = first; i < first + params.lanes; i++) {
    total += totals[i] * small_exp(tops[i] - top);
  }

  let log_total = log(total);
  // Not z_k - (M + ln total): that sum would round the logarithm away where logits are large.
  let d = (rival_logit - top) - log_total;
  let tail = small_exp(-abs(d));
  let log1p_exp = max(d, 0.0) + log(1.0 + tail);
  let q_rival = select(tail, 1.0, d > 0.0) / (1.0 + tail);
  var boost = log1p_exp;
  if (COMPAT) {
    boost = -log(1.0001 - q_rival + 1e-12);
  }
  loss[row] = (top - logits[base + y]) + log_total + log1p_exp + boost;
  saved[row] = vec4f(top, log_total, f32(rival), q_rival);
}

// exp of a number <= 0 that may be too small for some implementations to take.
fn small_exp(x: f32) -> f32 {
  return exp(max(x, -150.0));
}
