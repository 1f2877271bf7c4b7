// Adversarial weight perturbation of one parameter w along its gradient g (Wu, Xia & Wang, "Adversarial weight perturbation helps robust
// generalization", 2020): w += gamma * |w| / (|g| + eps) * g, with L2 norms over the whole tensor.
//
// PASS squares: partial[k] = (sum of w^2, sum of g^2) of workgroup k's elements.
// PASS add:     adds the few partial sums up, each invocation for itself, and moves w.

//#if PASS == squares
@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec2f>;
//#else
@group(0) @binding(0) var<storage, read_write> w: array<f32>;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read> partial: array<vec2f>;
//#end

struct Params {
  size: u32,
  partials: u32,
  gamma: f32,
  eps: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

//#if PASS == squares
var<workgroup> sums: array<vec2f, 64>;
//#end

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let number = group.y * groups.x + group.x;
  let step = groups.x * groups.y * 64u;
//#if PASS == squares
  var sum = vec2f();
  for (var i = number * 64u + lane; i < params.size; i += step) {
    let pair = vec2f(w[i], g[i]);
    sum += pair * pair;
  }
  sums[lane] = sum;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  if (lane == 0u) {
    partial[number] = sums[0];
  }
//#else
  var sum = vec2f();
  for (var k = 0u; k < params.partials; k++) {
    sum += partial[k];
  }
  let norms = sqrt(sum);
  let factor = params.gamma * norms.x / (norms.y + params.eps);
  for (var i = number * 64u + lane; i < params.size; i += step) {
    w[i] += factor * g[i];
  }
//#end
}
