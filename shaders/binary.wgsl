// Elementwise functions of two tensors of one type. T is that type, R the type of the result, OP names the function.
// MODE == same:      equal shapes, by vectors of four elements
// MODE == scalar:    the second operand is params.scalar; SWAPPED exchanges the operands
// MODE == broadcast: element by element; the operands' strides (0 along repeated axes) travel as uniforms, the
//                    axes merged where both operands allow it and padded in front with axes of size 1

alias V = vec4<T>;
alias VR = vec4<R>;

//#if MODE == broadcast
@group(0) @binding(0) var<storage, read> a: array<T>;
@group(0) @binding(1) var<storage, read> b: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<R>;
//#else
@group(0) @binding(0) var<storage, read> a: array<V>;
//#if MODE == same
@group(0) @binding(1) var<storage, read> b: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<VR>;
//#else
@group(0) @binding(1) var<storage, read_write> y: array<VR>;
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

//#if OP == add
fn op(u: V, v: V) -> VR { return u + v; }
//#end
//#if OP == sub
fn op(u: V, v: V) -> VR { return u - v; }
//#end
//#if OP == mul
fn op(u: V, v: V) -> VR { return u * v; }
//#end
//#if OP == div
fn op(u: V, v: V) -> VR { return u / v; }
//#end
//#if OP == maximum
fn op(u: V, v: V) -> VR { return max(u, v); }
//#end
//#if OP == minimum
fn op(u: V, v: V) -> VR { return min(u, v); }
//#end
//#if OP == pow
// WGSL's pow is undefined for negative bases; integral exponents keep the sign that mathematics gives them, and
// anything to the power 0 is 1.
fn op(u: V, v: V) -> VR {
  let magnitude = pow(abs(u), v);
  let odd = abs(v - 2.0 * floor(v * 0.5)) == V(1);
  let signed = select(magnitude, -magnitude, (u < V(0)) & odd);
  return select(signed, V(1), v == V(0));
}
//#end
//#if OP == reluGrad
// The gradient u where the ReLU's input v is positive.
fn op(u: V, v: V) -> VR { return select(V(0), u, v > V(0)); }
//#end
//#if OP == logicalAnd
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), (u != V(0)) & (v != V(0))); }
//#end
//#if OP == logicalOr
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), (u != V(0)) | (v != V(0))); }
//#end
//#if OP == eq
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), u == v); }
//#end
//#if OP == ne
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), u != v); }
//#end
//#if OP == lt
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), u < v); }
//#end
//#if OP == le
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), u <= v); }
//#end
//#if OP == gt
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), u > v); }
//#end
//#if OP == ge
fn op(u: V, v: V) -> VR { return select(VR(0), VR(1), u >= v); }
//#end

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.count; i += step) {
//#if MODE == same
    y[i] = op(a[i], b[i]);
//#end
//#if MODE == scalar
//#if SWAPPED
    y[i] = op(V(params.scalar), a[i]);
//#else
    y[i] = op(a[i], V(params.scalar));
//#end
//#end
//#if MODE == broadcast
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
    y[i] = op(V(a[ia]), V(b[ib])).x;
//#end
  }
}
