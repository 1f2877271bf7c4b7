// Elementwise functions of one f32 tensor, by vectors of four elements; invocations take as many as there are too few of
// them. OP names the function below.
// The padding of a tensor's range is computed too: it is never read.

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

struct Params {
  vectors: u32,
  lower: f32,
  upper: f32,
}
@group(1) @binding(0) var<uniform> params: Params;

fn op_neg(a: vec4f) -> vec4f { return -a; }
fn op_exp(a: vec4f) -> vec4f { return exp(a); }
fn op_log(a: vec4f) -> vec4f { return log(a); }
fn op_sqrt(a: vec4f) -> vec4f { return sqrt(a); }
fn op_rsqrt(a: vec4f) -> vec4f { return inverseSqrt(a); }
fn op_reciprocal(a: vec4f) -> vec4f { return 1.0 / a; }
fn op_square(a: vec4f) -> vec4f { return a * a; }
fn op_abs(a: vec4f) -> vec4f { return abs(a); }
fn op_sign(a: vec4f) -> vec4f { return sign(a); }
fn op_relu(a: vec4f) -> vec4f { return max(a, vec4f(0)); }
fn op_clamp(a: vec4f) -> vec4f { return clamp(a, vec4f(params.lower), vec4f(params.upper)); }
// exp(-|a|) cannot overflow, so neither branch of the logistic function does.
fn op_sigmoid(a: vec4f) -> vec4f {
  let e = exp(-abs(a));
  return select(e, vec4f(1), a >= vec4f(0)) / (1.0 + e);
}
// WGSL's tanh may overflow inside for large |a|; beyond 9 it is 1 to the last bit of f32.
fn op_tanh(a: vec4f) -> vec4f { return tanh(clamp(a, vec4f(-9), vec4f(9))); }

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.vectors; i += step) {
    y[i] = op_$OP(x[i]);
  }
}
