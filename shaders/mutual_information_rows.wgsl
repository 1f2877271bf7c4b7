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
  // lanes that have classes; not a minimum with LANES, from which compilers would unroll loops
  lanes: u32,
}

// [m, C]: natural, adversarial
@group(0) @binding(0) var<storage, read> logits_0: array<f32>;
@group(0) @binding(1) var<storage, read> logits_1: array<f32>;
// [m, WIDTH]: p, q
@group(0) @binding(2) var<storage, read_write> probabilities_0: array<f32>;
@group(0) @binding(3) var<storage, read_write> probabilities_1: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

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
  if (row < params.rows) {
    softmax_0(row, lane);
  } else if (row < 2u * params.rows) {
    softmax_1(row - params.rows, lane);
  }
}

//#unroll s 0 2
fn softmax_$s(row: u32, lane: u32) {
  let base = row * params.classes;
  let to = row * params.width;

  // Each lane its own classes first, relative to the highest of them.
  var top = LOWEST;
  for (var k = lane; k < params.classes; k += LANES) {
    top = max(top, logits_$s[base + k]);
  }
  var total = 0.0;
  for (var k = lane; k < params.classes; k += LANES) {
    let e = small_exp(logits_$s[base + k] - top);
    total += e;
    probabilities_$s[to + k] = e;
  }
  tops[lane] = top;
  totals[lane] = total;
  workgroupBarrier();

  var highest = LOWEST;
  for (var i = 0u; i < params.lanes; i++) {
    highest = max(highest, tops[i]);
  }
  total = 0.0;
  for (var i = 0u; i < params.lanes; i++) {
    total += totals[i] * small_exp(tops[i] - highest);
  }
  let scale = small_exp(top - highest) / total;
  for (var k = lane; k < params.classes; k += LANES) {
    probabilities_$s[to + k] *= scale;
  }
  for (var k = params.classes + lane; k < params.width; k += LANES) {
    probabilities_$s[to + k] = select(0.0, 1.0, k == params.classes);
  }
}
//#end

// exp of a number <= 0 that may be too small for some implementations to take.
fn small_exp(x: f32) -> f32 {
  return exp(max(x, -150.0));
}
