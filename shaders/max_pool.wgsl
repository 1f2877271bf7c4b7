// Max-pooling of x = [planes, height, width] with a kernel, stride and (implicit minus-infinity) padding per axis, and the
// adjoint pair that moves values along its choices. `index` holds, for each window, the place of its first largest
// element in its plane.
//
// PASS == pool:    y = the window's largest element, index = where it is
// PASS == gather:  y[window] = x[index[window]]
// PASS == scatter: y[cell] = sum of x[window] over the windows that chose this cell, in a fixed order
//
// Padding needs no value of its own: a tap outside the plane is moved to the nearest element inside, which (padding being
// at most half the kernel) lies in the same window, and which the row-major scan then meets no later than in its own turn.
//
// SH, SW (stride) and PH, PW (padding) are constants; so are KH, KW (kernel), as loop bounds, where UNROLLED.
// QUADS: rows of the unpooled tensor are multiples of four elements, and the stride divides four: an invocation of `scatter`
//   writes four cells, an invocation of `pool` (kernel width, stride 2, no padding) makes two windows of four cells a row.

//#if PASS == pool
//#if QUADS
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> index: array<vec2i>;
//#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> index: array<i32>;
//#end
//#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
//#if QUADS
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
//#else
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
//#end
//#end

struct Params {
  /** Elements to write, in vectors where QUADS; invocations take as many as there are too few of them. */
  size: i32,
  height: i32,
  width: i32,
  outHeight: i32,
  outWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  /** Reciprocals of the invocations to one row and to one plane of the tensor that the pass writes. */
  perRow: f32,
  perPlane: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

/**
 * Quotient and remainder of a, not negative, by d > 0 with reciprocal `inverse`. The estimate in f32 is off by 1 and a few
 * 1e-7 of itself; dividing what is left over once more and comparing makes it exact. Integer division is the slowest
 * instruction that these kernels could use: software adapters do it lane by lane.
 */
fn divide(a: i32, d: i32, inverse: f32) -> vec2i {
  var q = i32(f32(a) * inverse);
  q += i32(floor(f32(a - q * d) * inverse));
  var r = a - q * d;
  let step = select(0, 1, r >= d) - select(0, 1, r < 0);
  return vec2i(q + step, r - step * d);
}

//#if PASS == pool
//#if QUADS
fn pool(i: i32) {
  let pairs = params.outWidth / 2;
  let across = divide(i, pairs, params.perRow);
  let plane = divide(i, params.outHeight * pairs, params.perPlane).x;
  let top = (across.x - plane * params.outHeight) * $[SH] - $[PH];
  let quads = params.width / 4;
  let base = plane * params.height * quads + across.y;
  let first = max(top, 0);
  var best = x[base + first * quads].xz;
  var at = vec2i(4 * across.y, 4 * across.y + 2) + first * params.width;
//#unroll r 0 KH
  {
    let row = clamp(top + $[r], 0, params.height - 1);
    let value = x[base + row * quads];
    let place = row * params.width + 4 * across.y;
    at = select(at, vec2i(place, place + 2), value.xz > best);
    best = max(best, value.xz);
    at = select(at, vec2i(place + 1, place + 3), value.yw > best);
    best = max(best, value.yw);
  }
//#end
  y[i] = best;
  index[i] = at;
}
//#else
fn pool(i: i32) {
  let across = divide(i, params.outWidth, params.perRow);
  let plane = divide(i, params.outHeight * params.outWidth, params.perPlane).x;
  let top = (across.x - plane * params.outHeight) * $[SH] - $[PH];
  let left = across.y * $[SW] - $[PW];
  let base = plane * params.height * params.width;
  var at = max(top, 0) * params.width + max(left, 0);
  var best = x[base + at];
//#if UNROLLED
//#unroll r 0 KH
//#unroll c 0 KW
  {
    let row = clamp(top + $[r], 0, params.height - 1);
    let place = row * params.width + clamp(left + $[c], 0, params.width - 1);
    let value = x[base + place];
    at = select(at, place, value > best);
    best = max(best, value);
  }
//#end
//#end
//#else
  for (var r = 0; r < params.kernelHeight; r++) {
    let row = clamp(top + r, 0, params.height - 1);
    for (var c = 0; c < params.kernelWidth; c++) {
      let place = row * params.width + clamp(left + c, 0, params.width - 1);
      let value = x[base + place];
      at = select(at, place, value > best);
      best = max(best, value);
    }
  }
//#end
  y[i] = best;
  index[i] = at;
}
//#end
//#end
//#if PASS == gather
fn pool(i: i32) {
  let plane = divide(i, params.outHeight * params.outWidth, params.perPlane).x;
  y[i] = x[plane * params.height * params.width + index[i]];
}
//#end
//#if PASS == scatter
//#if QUADS
const CELLS = 4;
//#else
const CELLS = 1;
//#end

fn pool(i: i32) {
  let across = divide(i, params.width / CELLS, params.perRow);
  let plane = divide(i, params.height * (params.width / CELLS), params.perPlane).x;
  let row = across.x - plane * params.height;
  let column = across.y * CELLS;
  let own = row * params.width + column;
  // Window o covers the padded row r where o * stride <= r < o * stride + kernel: the last is r / stride.
  let lastRow = (row + $[PH]) / $[SH];
  let base = plane * params.outHeight;
//#if UNROLLED
//#if QUADS
  var sums = vec4f();
//#unroll m 0 4
//#unroll r 0 (KH+SH-1)/SH
//#unroll c 0 (KW+SW-1)/SW
  sums[$[m]] += chosen(base, lastRow - $[r], column / $[SW] + $[(PW+m)/SW] - $[c], own + $[m]);
//#end
//#end
//#end
  y[i] = sums;
//#else
  let lastColumn = (column + $[PW]) / $[SW];
  var sum = 0.0;
//#unroll r 0 (KH+SH-1)/SH
//#unroll c 0 (KW+SW-1)/SW
  sum += chosen(base, lastRow - $[r], lastColumn - $[c], own);
//#end
//#end
  y[i] = sum;
//#end
//#else
  let lastColumn = (column + $[PW]) / $[SW];
  let firstRow = max(0, (row + $[PH] - params.kernelHeight + $[SH]) / $[SH]);
  let firstColumn = max(0, (column + $[PW] - params.kernelWidth + $[SW]) / $[SW]);
  var sum = 0.0;
  for (var r = min(lastRow, params.outHeight - 1); r >= firstRow; r--) {
    for (var c = min(lastColumn, params.outWidth - 1); c >= firstColumn; c--) {
      let window = (base + r) * params.outWidth + c;
      sum += select(0.0, x[window], index[window] == own);
    }
  }
  y[i] = sum;
//#end
}

/** The value of window (r, c), if there is one and it chose the cell `own`. */
fn chosen(base: i32, r: i32, c: i32, own: i32) -> f32 {
  let inside = r >= 0 && r < params.outHeight && c >= 0 && c < params.outWidth;
  let window = select(0, (base + r) * params.outWidth + c, inside);
  return select(0.0, x[window], inside && index[window] == own);
}
//#end

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = i32(groups.x * groups.y * 64u);
  for (var i = i32((group.y * groups.x + group.x) * 64u + lane); i < params.size; i += step) {
    pool(i);
  }
}
