// Mutual information for any number of classes, last step of the gradient for one of the two sides: through its softmax.
// With p the side's probabilities and h = (the other side's probabilities) times the log-ratios,
//
//     d logits_ia = (g / m) p_ia ( h_ia - sum_k p_ik h_ik )
//
// A workgroup per row; LANES threads share it and meet at one barrier.

struct Params {
  rows: u32,
  classes: u32,
  width: u32,
  // lanes that have classes; not a minimum with LANES, from which compilers would unroll loops
  lanes: u32,
}

// [m, WIDTH]
@group(0) @binding(0) var<storage, read> p: array<f32>;
@group(0) @binding(1) var<storage, read> h: array<f32>;
// the upstream gradient g, one number
@group(0) @binding(2) var<storage, read> upstream: array<f32>;
// [m, C]
@group(0) @binding(3) var<storage, read_write> d_logits: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  let live = row < params.rows;
  let base = row * params.width;

  var sum = 0.0;
  for (var k = lane; live && k < params.classes; k += LANES) {
    sum += p[base + k] * h[base + k];
  }
  sums[lane] = sum;
  workgroupBarrier();

  var mean = 0.0;
  for (var i = 0u; i < params.lanes; i++) {
    mean += sums[i];
  }
  let scale = upstream[0] / f32(params.rows);
  for (var k = lane; live && k < params.classes; k += LANES) {
    d_logits[row * params.classes + k] = scale * p[base + k] * (h[base + k] - mean);
  }
}
