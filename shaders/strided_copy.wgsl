// y[sum at_k * strideY_k + offsetY] = x[sum at_k * strideX_k + offsetX] over an index space `shape`: permutations, slices
// with steps, concatenation, broadcasting and their gradients are all this copy. Strides may be negative (two's
// complement). Values move as they are: T is u32 for
// every element type of that size.
//#if T == f16
enable f16;
//#end

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;

struct Params {
  size: u32,
  offsetX: u32,
  offsetY: u32,
  pad: u32,
  shape: array<vec4u, 2>,
  strideX: array<vec4u, 2>,
  strideY: array<vec4u, 2>,
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
    var ix = params.offsetX;
    var iy = params.offsetY;
    for (var axis = RANK; axis > 0u; axis--) {
      let word = (axis - 1u) / 4u;
      let part = (axis - 1u) % 4u;
      let size = params.shape[word][part];
      let at = rest % size;
      rest /= size;
      ix += at * params.strideX[word][part];
      iy += at * params.strideY[word][part];
    }
    y[iy] = x[ix];
  }
}
