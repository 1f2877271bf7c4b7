// One pass of a reduction: y[o, s] = op over r in {s, s + S, s + 2S, ...}, r < count, of x[base(o) + offset(r)].
//
// The index space is split into kept axes (o) and reduced axes (r), each merged as far as the strides allow. Each
// invocation reduces one slice serially with four independent partial results, which also quarters the rounding error;
// slices interleave, so neighbouring invocations read neighbouring memory whichever axes are reduced. The caller repeats
// the pass over the S partial results until S is 1. The order of every sum is fixed by the sizes alone.
//
// OP is sum, max or min. SLICES_FIRST: the slice number varies fastest between invocations (reduced axes innermost).

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;

struct Params {
  outputs: u32,
  slices: u32,
  count: u32,
  scale: f32,
  keptShape: array<vec4u, 2>,
  keptStride: array<vec4u, 2>,
  reducedShape: array<vec4u, 2>,
  reducedStride: array<vec4u, 2>,
}
@group(1) @binding(0) var<uniform> params: Params;

//#if OP == sum
fn op(a: T, b: T) -> T { return a + b; }
//#end
//#if OP == max
fn op(a: T, b: T) -> T { return max(a, b); }
//#end
//#if OP == min
fn op(a: T, b: T) -> T { return min(a, b); }
//#end

fn reducedOffset(r: u32) -> u32 {
//#if REDUCED_RANK == 1
  return r * params.reducedStride[0].x;
//#else
  var rest = r;
  var offset = 0u;
  for (var axis = REDUCED_RANK; axis > 0u; axis--) {
    let size = params.reducedShape[(axis - 1u) / 4u][(axis - 1u) % 4u];
    offset += (rest % size) * params.reducedStride[(axis - 1u) / 4u][(axis - 1u) % 4u];
    rest /= size;
  }
  return offset;
//#end
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i >= params.outputs * params.slices) {
    return;
  }
//#if SLICES_FIRST
  let o = i / params.slices;
  let s = i % params.slices;
//#else
  let o = i % params.outputs;
  let s = i / params.outputs;
//#end
  var base = 0u;
  var rest = o;
  for (var axis = KEPT_RANK; axis > 0u; axis--) {
    let size = params.keptShape[(axis - 1u) / 4u][(axis - 1u) % 4u];
    base += (rest % size) * params.keptStride[(axis - 1u) / 4u][(axis - 1u) % 4u];
    rest /= size;
  }
  let first = x[base + reducedOffset(s)];
//#if OP == sum
  var a = first;
  var b = T(0);
  var c = T(0);
  var d = T(0);
//#else
  var a = first;
  var b = first;
  var c = first;
  var d = first;
//#end
  var r = s + params.slices;
  for (; r + 3u * params.slices < params.count; r += 4u * params.slices) {
    a = op(a, x[base + reducedOffset(r)]);
    b = op(b, x[base + reducedOffset(r + params.slices)]);
    c = op(c, x[base + reducedOffset(r + 2u * params.slices)]);
    d = op(d, x[base + reducedOffset(r + 3u * params.slices)]);
  }
  for (; r < params.count; r += params.slices) {
    a = op(a, x[base + reducedOffset(r)]);
  }
  let result = op(op(a, b), op(c, d));
//#if SCALED
  y[o * params.slices + s] = result * params.scale;
//#else
  y[o * params.slices + s] = result;
//#end
}
