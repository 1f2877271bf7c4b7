// Average pooling of x = [planes, height, width] with a kernel, stride and zero padding per axis, and its adjoint.
//
// PASS == pool:   y[window] = sum of the window's elements inside x / divisor(window)
// PASS == spread: y[cell] = sum over the windows that cover it of x[window] / divisor(window), in a fixed order
//
// The divisor is the given one, or, where that is 0, the count of the window's elements: with COUNT_PAD those inside the padded x
// (a window can reach beyond it, where sizes are rounded up), without only those inside x.
// SH, SW (stride), PH, PW (padding), KH, KW (kernel) are constants: division by them is cheap.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

struct Params {
  /** Elements to write. */
  size: i32,
  height: i32,
  width: i32,
  outHeight: i32,
  outWidth: i32,
  divisor: f32,
}
@group(0) @binding(31) var<uniform> params: Params;

/** What the window that starts at (top, left) is divided by. */
fn divisorOf(top: i32, left: i32) -> f32 {
//#if COUNT_PAD
  let rows = min(top + $[KH], params.height + $[PH]) - top;
  let columns = min(left + $[KW], params.width + $[PW]) - left;
//#else
  let rows = min(top + $[KH], params.height) - max(top, 0);
  let columns = min(left + $[KW], params.width) - max(left, 0);
//#end
  return select(f32(rows * columns), params.divisor, params.divisor != 0.0);
}

//#if PASS == pool
fn pool(i: i32) {
  let row = i / params.outWidth;
  let plane = row / params.outHeight;
  let top = (row - plane * params.outHeight) * $[SH] - $[PH];
  let left = (i - row * params.outWidth) * $[SW] - $[PW];
  var sum = 0.0;
  for (var r = max(top, 0); r < min(top + $[KH], params.height); r++) {
    let base = (plane * params.height + r) * params.width;
    for (var c = max(left, 0); c < min(left + $[KW], params.width); c++) {
      sum += x[base + c];
    }
  }
  y[i] = sum / divisorOf(top, left);
}
//#else
fn pool(i: i32) {
  let line = i / params.width;
  let plane = line / params.height;
  // Window o covers the padded place p where o * stride <= p < o * stride + kernel.
  let row = line - plane * params.height + $[PH];
  let column = i - line * params.width + $[PW];
  let lastRow = min(row / $[SH], params.outHeight - 1);
  let lastColumn = min(column / $[SW], params.outWidth - 1);
  var sum = 0.0;
  for (var r = max(0, (row - $[KH] + $[SH]) / $[SH]); r <= lastRow; r++) {
    let base = (plane * params.outHeight + r) * params.outWidth;
    for (var c = max(0, (column - $[KW] + $[SW]) / $[SW]); c <= lastColumn; c++) {
      sum += x[base + c] / divisorOf(r * $[SH] - $[PH], c * $[SW] - $[PW]);
    }
  }
  y[i] = sum;
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
