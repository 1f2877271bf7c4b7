// One step of stochastic gradient descent over a flat arena of parameters, PyTorch's semantics:
//   g = gradient + decay * p;  buf = momentum * buf + g;  p -= rate * (NESTEROV ? g + momentum * buf : buf)
// By vectors of four elements. Without MOMENTUM there is no buf, and p -= rate * g.

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> parameters: array<vec4f>;
//#if MOMENTUM
@group(0) @binding(2) var<storage, read_write> buffers: array<vec4f>;
//#end

struct Params {
  vectors: u32,
  rate: f32,
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
//#if MOMENTUM
    let buf = params.momentum * buffers[i] + g;
    buffers[i] = buf;
    parameters[i] = p - params.rate * select(buf, g + params.momentum * buf, NESTEROV);
//#else
    parameters[i] = p - params.rate * g;
//#end
  }
}
