// One pass of a reduction: y[s, o, i] or y[o, s] = op over r in slice s of S of x[o, r, i]: {s, s + S, s + 2S, ...}, r < count.
//
// x is [outer, count, inner] and contiguous; several reduced axes take several passes. Each invocation reduces one slice of
// the axis serially with four independent partial results, which also quarters the rounding error; the caller repeats the
// pass over the S partial results until S is 1. The order of every sum is fixed by the sizes alone.
//
// ALONG:  inner is 1. The axis is cut into parts, in each of which `width` slices interleave: neighbouring invocations read
//         neighbouring memory. VECTOR: count is a multiple of 4 and each step reads four elements of the row.
// else:   neighbouring invocations take neighbouring i. VECTOR: inner is a multiple of 4, and each has four of them.
//
// OP is sum, max or min; sizes are in units of X.

//#if VECTOR
alias X = vec4<T>;
//#else
alias X = T;
//#end
//#if ALONG
alias Y = T;
//#else
alias Y = X;
//#end
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;

struct Params {
  /** outer * inner. */
  outputs: u32,
  slices: u32,
  count: u32,
  inner: u32,
  width: u32,
  /** Steps of a part. */
  part: u32,
  scale: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

//#if OP == sum
fn op(a: X, b: X) -> X { return a + b; }
//#else
fn op(a: X, b: X) -> X { return $OP(a, b); }
//#end

fn finish(a: X) -> Y {
//#if ALONG
//#if VECTOR
//#if OP == sum
  return (a.x + a.y) + (a.z + a.w);
//#else
  return $OP($OP(a.x, a.y), $OP(a.z, a.w));
//#end
//#else
  return a;
//#end
//#else
  return a;
//#end
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (group.y * groups.x + group.x) * 64u + lane;
  if (at >= params.outputs * params.slices) {
    return;
  }
//#if ALONG
  let s = at % params.slices;
  let row = at / params.slices * params.count;
  let part = s / params.width * params.part;
  let base = row + part + s % params.width;
  let end = row + min(part + params.part, params.count);
  let step = params.width;
//#else
  let o = at % params.outputs;
  let s = at / params.outputs;
  let row = (o / params.inner) * params.count * params.inner + o % params.inner;
  let base = row + s * params.inner;
  let end = row + params.count * params.inner;
  let step = params.slices * params.inner;
//#end
  var i = base;
  let first = x[i];
  i += step;
//#if OP == sum
  var a = first;
  var b = X();
  var c = X();
  var d = X();
//#else
  var a = first;
  var b = first;
  var c = first;
  var d = first;
//#end
  for (; i + 3u * step < end; i += 4u * step) {
    a = op(a, x[i]);
    b = op(b, x[i + step]);
    c = op(c, x[i + 2u * step]);
    d = op(d, x[i + 3u * step]);
  }
  for (; i < end; i += step) {
    a = op(a, x[i]);
  }
//#if SCALED
  y[at] = finish(op(op(a, b), op(c, d))) * params.scale;
//#else
  y[at] = finish(op(op(a, b), op(c, d)));
//#end
}
