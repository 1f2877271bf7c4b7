// Mutual information for any number of classes, first step: the softmaxes of both sets of logits, as the matrix product
// that follows wants them. A workgroup per row; LANES threads share it and meet at one barrier.
//
//     p = softmax(natural), q = softmax(adversarial)        [m, WIDTH], columns: C probabilities, a 1, zeros
//
// WIDTH is C + 1 rounded up to a multiple of 4. The column of ones makes the marginals part of the product p^T q: its last
// row and column hold sum_i q_ib and sum_i p_ia.

struct Params {
  rows: u32,
  classes: u32,
  width: u32,
}

// [m, C]
@group(0) @binding(0) var<storage, read> natural: array<f32>;
@group(0) @binding(1) var<storage, read> adversarial: array<f32>;
// [m, WIDTH]
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> q: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// A mask, not an infinity: WGSL may assume that there are none.
const LOWEST = -3.4e38;

var<workgroup> tops: array<f32, LANES>;
var<workgroup> totals: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  let live = row < 2u * params.rows;

  var top = LOWEST;
  for (var k = lane; live && k < params.classes; k += LANES) {
    top = max(top, logit(row, k));
  }
  var total = 0.0;
  for (var k = lane; live && k < params.classes; k += LANES) {
    total += small_exp(logit(row, k) - top);
  }
  tops[lane] = top;
  totals[lane] = total;
  workgroupBarrier();

  var highest = LOWEST;
  for (var i = 0u; i < min(LANES, params.classes); i++) {
    highest = max(highest, tops[i]);
  }
  total = 0.0;
  for (var i = 0u; i < min(LANES, params.classes); i++) {
    total += totals[i] * small_exp(tops[i] - highest);
  }
  for (var k = lane; live && k < params.width; k += LANES) {
    var value = select(0.0, 1.0, k == params.classes);
    if (k < params.classes) {
      value = small_exp(logit(row, k) - highest) / total;
    }
    store(row, k, value);
  }
}

// exp of a number <= 0 that may be too small for some implementations to take.
fn small_exp(x: f32) -> f32 {
  return exp(max(x, -150.0));
}

fn logit(row: u32, k: u32) -> f32 {
  if (row < params.rows) {
    return natural[row * params.classes + k];
  }
  return adversarial[(row - params.rows) * params.classes + k];
}

fn store(row: u32, k: u32, value: f32) {
  if (row < params.rows) {
    p[row * params.width + k] = value;
  } else {
    q[(row - params.rows) * params.width + k] = value;
  }
}
