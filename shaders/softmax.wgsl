// softmax, log-softmax or log-sum-exp along one axis of x = [outer, count, inner], one row to an invocation.
//
//   m = max_k x_k,   s = sum_k exp(x_k - m),   lse = m + ln s,   log p_k = (x_k - m) - ln s,   p_k = exp(x_k - m) / s
//
// Every exponent is at most 0 and s is at least 1, so nothing overflows for any finite x.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

struct Params {
  rows: u32,
  count: u32,
  inner: u32,
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
  let base = (row / params.inner) * params.count * params.inner + row % params.inner;
  let end = base + params.count * params.inner;
  var m = x[base];
  for (var i = base; i < end; i += params.inner) {
    m = max(m, x[i]);
  }
  var s = 0.0;
  for (var i = base; i < end; i += params.inner) {
    s += exp(x[i] - m);
  }
//#if KIND == logSumExp
  y[row] = m + log(s);
//#else
//#if KIND == logSoftmax
  let logS = log(s);
  for (var i = base; i < end; i += params.inner) {
    y[i] = (x[i] - m) - logS;
  }
//#else
  let scale = 1.0 / s;
  for (var i = base; i < end; i += params.inner) {
    y[i] = exp(x[i] - m) * scale;
  }
//#end
//#end
}
