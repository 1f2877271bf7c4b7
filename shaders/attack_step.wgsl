// One ascent step of a sign-gradient attack, by vectors of four elements:
//   y = clip(min(max(point + step * sign(gradient), centre - eps), centre + eps), low, high)
// The projection is written with min and max because centre + clamp(point - centre) can leave the eps-ball by a rounding.

@group(0) @binding(0) var<storage, read> point: array<vec4f>;
@group(0) @binding(1) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read> centre: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

struct Params {
  vectors: u32,
  step: f32,
  eps: f32,
  low: f32,
  high: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let stride = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.vectors; i += stride) {
    let g = gradient[i];
    // Built of comparisons: 0 for a gradient of exactly 0, of either sign.
    let direction = select(vec4f(0), vec4f(1), g > vec4f(0)) - select(vec4f(0), vec4f(1), g < vec4f(0));
    let moved = point[i] + params.step * direction;
    let x = centre[i];
    let projected = min(max(moved, x - params.eps), x + params.eps);
    y[i] = min(max(projected, vec4f(params.low)), vec4f(params.high));
  }
}
