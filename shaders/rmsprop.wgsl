// One step of RMSprop over a flat arena of parameters (Tieleman & Hinton, "Lecture 6.5: rmsprop", 2012), PyTorch's semantics:
//   g = gradient + decay * p;  v = alpha * v + (1 - alpha) * g^2;  d = g / (sqrt(v) + eps);  p -= rate * d
// CENTERED (Graves, "Generating sequences with recurrent neural networks", 2013, eq. 38-39): a = alpha * a + (1 - alpha) * g, and
// v - a^2, which is a variance, stands for v in the divisor. MOMENTUM: buf = momentum * buf + d, and p -= rate * buf.
// By vectors of four elements.

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> squares: array<vec4f>;
//#if MOMENTUM
@group(0) @binding(3) var<storage, read_write> buffers: array<vec4f>;
//#if CENTERED
@group(0) @binding(4) var<storage, read_write> means: array<vec4f>;
//#end
//#else
//#if CENTERED
@group(0) @binding(3) var<storage, read_write> means: array<vec4f>;
//#end
//#end

struct Params {
  vectors: u32,
  rate: f32,
  alpha: f32,
  alphaRest: f32,
  eps: f32,
  decay: f32,
  momentum: f32,
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
    let p = parameters[i];
    let g = gradients[i] + params.decay * p;
    let v = params.alpha * squares[i] + params.alphaRest * (g * g);
    squares[i] = v;
//#if CENTERED
    let a = params.alpha * means[i] + params.alphaRest * g;
    means[i] = a;
    // A variance, but for rounding, which may take it below 0 where the gradient does not change.
    let d = g / (sqrt(max(v - a * a, vec4f(0))) + params.eps);
//#else
    let d = g / (sqrt(v) + params.eps);
//#end
//#if MOMENTUM
    let buf = params.momentum * buffers[i] + d;
    buffers[i] = buf;
    parameters[i] = p - params.rate * buf;
//#else
    parameters[i] = p - params.rate * d;
//#end
  }
}
