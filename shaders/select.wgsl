// y = condition ? a : b, every operand broadcast to the result by its strides. Values move as raw words, so one pipeline
// serves every element type.

@group(0) @binding(0) var<storage, read> condition: array<u32>;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

struct Params {
  size: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  shape: array<vec4u, 2>,
  strideCondition: array<vec4u, 2>,
  strideA: array<vec4u, 2>,
  strideB: array<vec4u, 2>,
}
@group(0) @binding(31) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.size; i += step) {
    var rest = i;
    var at = vec3u(0);
    for (var axis = RANK; axis > 0u; axis--) {
      let word = (axis - 1u) / 4u;
      let part = (axis - 1u) % 4u;
      let size = params.shape[word][part];
      let strides = vec3u(params.strideCondition[word][part], params.strideA[word][part], params.strideB[word][part]);
      at += (rest % size) * strides;
      rest /= size;
    }
    if (condition[at.x] != 0u) {
      y[i] = a[at.y];
    } else {
      y[i] = b[at.z];
    }
  }
}
