// Clipping of gradients side by side in one buffer, by vectors of four.
//
// PASS squares: partial[k] = sum of squares of the vectors k, k + K, k + 2K, ..., K invocations in all; the caller adds them up.
// PASS norm:    the norm is sqrt(total), and x *= limit / (norm + 1e-6) where that is below 1. A norm that is not a number makes all
//               of x so. Comparisons with NaN are the compiler's to decide, so it is found by its bits.
// PASS value:   x = clamp(x, -limit, limit), and what is not a number stays so.

//#if PASS == squares
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
//#else
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
//#if PASS == norm
@group(0) @binding(1) var<storage, read> total: array<f32>;
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;
//#end
//#end

struct Params {
  vectors: u32,
  limit: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  let first = (group.y * groups.x + group.x) * 64u + lane;
//#if PASS == squares
  var squares = vec4f();
  for (var i = first; i < params.vectors; i += step) {
    squares += x[i] * x[i];
  }
  partial[first] = (squares.x + squares.y) + (squares.z + squares.w);
//#else
//#if PASS == norm
  let norm = sqrt(total[0]);
  if (first == 0u) {
    norms[0] = norm;
  }
  let isNaN = (bitcast<u32>(norm) & 0x7fffffffu) > 0x7f800000u;
  let divisor = norm + 1e-6;
  if (divisor <= params.limit && !isNaN) {
    return;
  }
  let factor = select(params.limit / divisor, norm, isNaN);
  for (var i = first; i < params.vectors; i += step) {
    x[i] *= factor;
  }
//#else
  for (var i = first; i < params.vectors; i += step) {
    let value = x[i];
    let isNaN = (bitcast<vec4u>(value) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
    x[i] = select(clamp(value, vec4f(-params.limit), vec4f(params.limit)), value, isNaN);
  }
//#end
//#end
}
