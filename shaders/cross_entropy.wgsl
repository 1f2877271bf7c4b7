// Cross-entropy of logits z = [rows, classes] against labels, with label smoothing s, one row to an invocation:
//
//   loss_i = (1 - s) (lse(z_i) - z_i[y_i]) + s (lse(z_i) - mean_k z_i[k])
//
// BACKWARD: dz_ik = g_i (softmax(z_i)_k - (1 - s) [k = y_i] - s / classes).
// A label outside [0, classes) matches no class: it is never an access out of bounds.

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
//#if BACKWARD
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> dz: array<f32>;
//#else
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
//#end

struct Params {
  rows: u32,
  classes: u32,
  smoothing: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * groups.x + group.x) * 64u + lane;
  if (row >= params.rows) {
    return;
  }
  let base = row * params.classes;
  let label = labels[row];
  var m = z[base];
  for (var k = 1u; k < params.classes; k++) {
    m = max(m, z[base + k]);
  }
  var s = 0.0;
//#if BACKWARD
  for (var k = 0u; k < params.classes; k++) {
    s += exp(z[base + k] - m);
  }
  let scale = 1.0 / s;
  let upstream = g[row];
  let spread = params.smoothing / f32(params.classes);
  for (var k = 0u; k < params.classes; k++) {
    let target_ = select(spread, spread + 1.0 - params.smoothing, i32(k) == label);
    dz[base + k] = upstream * (exp(z[base + k] - m) * scale - target_);
  }
//#else
  // Differences from the maximum keep both terms small however large the logits are.
  var own = 0.0;
  var total = 0.0;
  for (var k = 0u; k < params.classes; k++) {
    let d = z[base + k] - m;
    s += exp(d);
    total += d;
    own = select(own, d, i32(k) == label);
  }
  let logS = log(s);
  let smooth_ = logS - total / f32(params.classes);
  loss[row] = (1.0 - params.smoothing) * (logS - own) + params.smoothing * smooth_;
//#end
}
