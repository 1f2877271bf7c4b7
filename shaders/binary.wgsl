// Elementwise functions of two tensors of one type. T is that type, R the type of the result, OP names a function of
// elementwise.wgsl.
// MODE == same:      equal shapes, by vectors of four elements
// MODE == scalar:    the second operand is params.scalar; SWAPPED exchanges the operands
// MODE == rows:      as broadcast, where the last axis is a multiple of four and each operand runs along it (A_RUNS, B_RUNS) or is
//                    the same all along: by vectors, which the last axis and the strides count
// MODE == broadcast: element by element; the operands' strides (0 along repeated axes) travel as uniforms, the
//                    axes merged where both operands allow it and padded in front with axes of size 1

//#if MODE == broadcast
@group(0) @binding(0) var<storage, read> a: array<T>;
@group(0) @binding(1) var<storage, read> b: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<R>;
//#else
//#if MODE == rows
//#if A_RUNS
@group(0) @binding(0) var<storage, read> a: array<V>;
//#else
@group(0) @binding(0) var<storage, read> a: array<T>;
//#end
//#if B_RUNS
@group(0) @binding(1) var<storage, read> b: array<V>;
//#else
@group(0) @binding(1) var<storage, read> b: array<T>;
//#end
@group(0) @binding(2) var<storage, read_write> y: array<VR>;
//#else
@group(0) @binding(0) var<storage, read> a: array<V>;
//#if MODE == same
@group(0) @binding(1) var<storage, read> b: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<VR>;
//#else
@group(0) @binding(1) var<storage, read_write> y: array<VR>;
//#end
//#end
//#end

struct Params {
  /** Elements where MODE is broadcast, else vectors of four. */
  count: u32,
  scalar: T,
  pad0: u32,
  pad1: u32,
  shape: array<vec4u, 2>,
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
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.count; i += step) {
//#if MODE == same
    y[i] = op_$OP(a[i], b[i]);
//#end
//#if MODE == scalar
//#if SWAPPED
    y[i] = op_$OP(V(params.scalar), a[i]);
//#else
    y[i] = op_$OP(a[i], V(params.scalar));
//#end
//#end
//#if !FLAT
    var rest = i;
    var ia = 0u;
    var ib = 0u;
    for (var axis = RANK; axis > 0u; axis--) {
      let size = params.shape[(axis - 1u) / 4u][(axis - 1u) % 4u];
      let at = rest % size;
      rest /= size;
      ia += at * params.strideA[(axis - 1u) / 4u][(axis - 1u) % 4u];
      ib += at * params.strideB[(axis - 1u) / 4u][(axis - 1u) % 4u];
    }
//#if MODE == rows
    y[i] = op_$OP(V(a[ia]), V(b[ib]));
//#else
    y[i] = op_$OP(V(a[ia]), V(b[ib])).x;
//#end
//#end
  }
}
