// Mutual information for any number of classes, third step, after the matrix product S = p^T q (mutual_information_rows.wgsl):
// the joint distribution, its log-ratios, and one partial sum of MI per workgroup.
//
//     J_ab = S_ab / m,   J_a. = S_aC / m,   J_.b = S_Cb / m        (column and row C of S come from the columns of ones)
//     P = J, or (J + J^T) / 2 with SYM
//     L_ab = ln( P_ab / (P_a. P_.b) )                              (mutual_information_term.wgsl)
//
// A workgroup takes ENTRIES of them, a thread every WG-th. Constants: WG, ENTRIES, SYM.

struct Params {
  rows: u32,
  classes: u32,
  width: u32,
  // WG once more, as a loop bound that compilers do not unroll
  threads: u32,
}

// [WIDTH, WIDTH]
@group(0) @binding(0) var<storage, read> sums: array<f32>;
// [C, C]
@group(0) @binding(1) var<storage, read_write> joint: array<f32>;
// [WIDTH, WIDTH], zeros outside [C, C]
@group(0) @binding(2) var<storage, read_write> log_ratio: array<f32>;
// one per workgroup
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

var<workgroup> terms: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let chunk = group.y * groups.x + group.x;
  let start = chunk * ENTRIES;
  let end = min(start + ENTRIES, params.width * params.width);
  var term = 0.0;
  for (var at = start + thread; at < end; at += WG) {
    term += entry(at / params.width, at % params.width);
  }
  terms[thread] = term;
  workgroupBarrier();
  if (thread == 0u && start < end) {
    var sum = 0.0;
    for (var i = 0u; i < params.threads; i++) {
      sum += terms[i];
    }
    partials[chunk] = sum;
  }
}

// Writes entry (a, b) of P and L; gives its term of MI.
fn entry(a: u32, b: u32) -> f32 {
  let width = params.width;
  let classes = params.classes;
  if (a >= classes || b >= classes) {
    log_ratio[a * width + b] = 0.0;
    return 0.0;
  }
  var p = sums[a * width + b];
  var of_row = sums[a * width + classes];
  var of_column = sums[classes * width + b];
  if (SYM) {
    p = 0.5 * (p + sums[b * width + a]);
    of_row = 0.5 * (of_row + sums[classes * width + a]);
    of_column = 0.5 * (of_column + sums[b * width + classes]);
  }
  let m = f32(params.rows);
  let result = information(p / m, of_row / m, of_column / m);
  joint[a * classes + b] = p / m;
  log_ratio[a * width + b] = result.log_ratio;
  return result.term;
}
