// Mutual information between the class assignments of natural and adversarial samples, for up to 32 classes, in one
// dispatch of one workgroup:
//
//     p_i = softmax(natural_i), q_i = softmax(adversarial_i)                    i = 1 .. m rows, C classes
//     J   = (1/m) sum_i p_i q_i^T,   P = J, or (J + J^T) / 2 with SYM           [C, C], rows: natural
//     MI  = sum_ab P_ab ln( P_ab / (P_a. P_.b) )                                in nats
//
// (Atsague, Fakorede, Tian 2021, eq. 13 and 14.) Three stages. The softmaxes, one thread per row, into `probabilities`.
// The outer products: P is cut into 4 x 4 tiles, SLICES threads share a tile and take every SLICES-th row, their sums are
// added in a fixed order. The entries, one thread each: marginals, logarithms (mutual_information_term.wgsl), the sum.
// `probabilities` and `log_ratio` are what the backward kernel needs.
//
// Constants: C4 = ceil(C / 4), rows are padded to C4 vec4 with zeros; TILES = C4 * C4; WG >= TILES threads;
// SLICES = floor(WG / TILES); SYM. The bounds of loops are uniforms: from a constant bound, or a minimum with one, compilers
// for software adapters would unroll the loops.

struct Params {
  rows: u32,
  classes: u32,
  // slices that have rows
  slices: u32,
  // threads that have entries
  threads: u32,
}

// [m, C]
@group(0) @binding(0) var<storage, read> natural: array<f32>;
@group(0) @binding(1) var<storage, read> adversarial: array<f32>;
// one number
@group(0) @binding(2) var<storage, read_write> mi: array<f32>;
// [C, C]
@group(0) @binding(3) var<storage, read_write> joint: array<f32>;
// [2, m, C4]: p, then q
@group(0) @binding(4) var<storage, read_write> probabilities: array<vec4f>;
// [C, 4 C4]: ln(P_ab / (P_a. P_.b))
@group(0) @binding(5) var<storage, read_write> log_ratio: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

// A mask, not an infinity: WGSL may assume that there are none.
const LOWEST = -3.4e38;
const WIDTH = 4u * C4;

var<workgroup> partials: array<vec4f, SLICES * TILES * 4>;
var<workgroup> sums: array<f32, WIDTH * WIDTH>;
var<workgroup> row_marginal: array<f32, WIDTH>;
var<workgroup> column_marginal: array<f32, WIDTH>;
var<workgroup> terms: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) thread: u32) {
  let m = params.rows;
  let classes = params.classes;

  for (var row = thread; row < 2u * m; row += WG) {
    softmax(row);
  }
  storageBarrier();

  if (thread < SLICES * TILES) {
    outer_products(thread % TILES, thread / TILES);
  }
  workgroupBarrier();

  for (var at = thread; at < WIDTH * WIDTH; at += WG) {
    let a = at / WIDTH;
    let b = at % WIDTH;
    var sum = 0.0;
    for (var slice = 0u; slice < params.slices; slice++) {
      sum += partials[((slice * TILES + a / 4u * C4 + b / 4u) * 4u) + a % 4u][b % 4u];
    }
    sums[at] = sum / f32(m);
  }
  workgroupBarrier();

  for (var a = thread; a < WIDTH; a += WG) {
    var of_row = 0.0;
    var of_column = 0.0;
    for (var b = 0u; b < classes; b++) {
      of_row += sums[a * WIDTH + b];
      of_column += sums[b * WIDTH + a];
    }
    row_marginal[a] = select(of_row, 0.5 * (of_row + of_column), SYM);
    column_marginal[a] = select(of_column, 0.5 * (of_row + of_column), SYM);
  }
  workgroupBarrier();

  var term = 0.0;
  for (var at = thread; at < classes * WIDTH; at += WG) {
    let a = at / WIDTH;
    let b = at % WIDTH;
    var p = sums[at];
    if (SYM) {
      p = 0.5 * (p + sums[b * WIDTH + a]);
    }
    let entry = information(p, row_marginal[a], column_marginal[b]);
    log_ratio[at] = entry.log_ratio;
    term += entry.term;
    if (b < classes) {
      joint[a * classes + b] = p;
    }
  }
  terms[thread] = term;
  workgroupBarrier();

  if (thread == 0u) {
    var sum = 0.0;
    for (var i = 0u; i < params.threads; i++) {
      sum += terms[i];
    }
    mi[0] = sum;
  }
}

fn logit(row: u32, class_: u32) -> f32 {
  if (class_ >= params.classes) {
    return LOWEST;
  }
  if (row < params.rows) {
    return natural[row * params.classes + class_];
  }
  return adversarial[(row - params.rows) * params.classes + class_];
}

// One row of logits (the natural ones first, then the adversarial) to probabilities.
fn softmax(row: u32) {
  var highest = LOWEST;
  for (var k = 0u; k < params.classes; k++) {
    highest = max(highest, logit(row, k));
  }
  var total = vec4f(0.0);
  for (var k = 0u; k < params.classes; k += 4u) {
    let z = vec4f(logit(row, k), logit(row, k + 1u), logit(row, k + 2u), logit(row, k + 3u));
    let e = select(vec4f(0.0), exp(max(z - highest, vec4f(-150.0))), z > vec4f(LOWEST));
    total += e;
    probabilities[row * C4 + k / 4u] = e;
  }
  let scale = 1.0 / (total.x + total.y + total.z + total.w);
  for (var k = 0u; k < params.classes; k += 4u) {
    probabilities[row * C4 + k / 4u] *= scale;
  }
}

// This slice's part of m J, 4 x 4 entries.
fn outer_products(tile: u32, slice: u32) {
  let a4 = tile / C4;
  let b4 = tile % C4;
  //#unroll j 0 4
  var sum_$j = vec4f(0.0);
  //#end
  for (var row = slice; row < params.rows; row += SLICES) {
    let p = probabilities[row * C4 + a4];
    let q = probabilities[(params.rows + row) * C4 + b4];
    //#unroll j 0 4
    sum_$j += p[$j] * q;
    //#end
  }
  //#unroll j 0 4
  partials[(slice * TILES + tile) * 4u + $ju] = sum_$j;
  //#end
}
