// One step of Adam over a flat arena of parameters (Kingma & Ba, "Adam", 2015, algorithm 1), PyTorch's semantics:
//   m = first * m + (1 - first) * g;  v = second * v + (1 - second) * g^2;  p -= rate * m / (sqrt(v) / scale + eps)
// where rate = lr / (1 - first^t) and scale = sqrt(1 - second^t) come with the uniforms, worked out in float64. Weight decay is
// g += decay * p before all else, or, DECOUPLED (Loshchilov & Hutter, 2019), p *= shrink = 1 - lr * decay.
// By vectors of four elements.

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> means: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> squares: array<vec4f>;

struct Params {
  vectors: u32,
  rate: f32,
  scale: f32,
  eps: f32,
  first: f32,
  firstRest: f32,
  second: f32,
  secondRest: f32,
//#if DECOUPLED
  shrink: f32,
//#else
  decay: f32,
//#end
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.vectors; i += step) {
//#if DECOUPLED
    let p = parameters[i] * params.shrink;
    let g = gradients[i];
//#else
    let p = parameters[i];
    let g = gradients[i] + params.decay * p;
//#end
    let m = params.first * means[i] + params.firstRest * g;
    let v = params.second * squares[i] + params.secondRest * (g * g);
    means[i] = m;
    squares[i] = v;
    parameters[i] = p - params.rate * m / (sqrt(v) / params.scale + params.eps);
  }
}
