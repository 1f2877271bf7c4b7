// Max-pooling of x = [planes, height, width] with a kernel, stride and (implicit minus-infinity) padding per axis, and the
// adjoint pair that moves values along its choices. `index` holds, for each window, the place of its first largest
// element in its plane; no infinity is formed, because every window covers at least one element.
//
// PASS == pool:    y = the window's largest element, index = where it is
// PASS == gather:  y[window] = x[index[window]]
// PASS == scatter: y[cell] = sum of x[window] over the windows that chose this cell, in the order of the windows

//#if PASS == pool
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> index: array<i32>;
//#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
//#end

struct Params {
  size: u32,
  height: u32,
  width: u32,
  outHeight: u32,
  outWidth: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
  padHeight: u32,
  padWidth: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

//#if PASS == pool
fn pool(i: u32) {
  let column = i % params.outWidth;
  let row = (i / params.outWidth) % params.outHeight;
  let plane = i / (params.outWidth * params.outHeight) * params.height * params.width;
  let top = i32(row * params.strideHeight) - i32(params.padHeight);
  let left = i32(column * params.strideWidth) - i32(params.padWidth);
  let firstRow = u32(max(top, 0));
  let firstColumn = u32(max(left, 0));
  let endRow = u32(min(top + i32(params.kernelHeight), i32(params.height)));
  let endColumn = u32(min(left + i32(params.kernelWidth), i32(params.width)));
  var at = firstRow * params.width + firstColumn;
  var best = x[plane + at];
  for (var r = firstRow; r < endRow; r++) {
    for (var c = firstColumn; c < endColumn; c++) {
      let value = x[plane + r * params.width + c];
      if (value > best) {
        best = value;
        at = r * params.width + c;
      }
    }
  }
  y[i] = best;
  index[i] = i32(at);
}
//#end
//#if PASS == gather
fn pool(i: u32) {
  let plane = i / (params.outWidth * params.outHeight) * params.height * params.width;
  y[i] = x[plane + u32(index[i])];
}
//#end
//#if PASS == scatter
fn pool(i: u32) {
  let column = i % params.width + params.padWidth;
  let row = (i / params.width) % params.height + params.padHeight;
  let plane = i / (params.width * params.height);
  let own = i32(i - plane * params.width * params.height);
  // Window o covers padded row r where o * stride <= r < o * stride + kernel.
  let firstRow = (max(row + 1u, params.kernelHeight) - params.kernelHeight + params.strideHeight - 1u) / params.strideHeight;
  let firstColumn = (max(column + 1u, params.kernelWidth) - params.kernelWidth + params.strideWidth - 1u) / params.strideWidth;
  let endRow = min(row / params.strideHeight + 1u, params.outHeight);
  let endColumn = min(column / params.strideWidth + 1u, params.outWidth);
  var sum = 0.0;
  for (var r = firstRow; r < endRow; r++) {
    for (var c = firstColumn; c < endColumn; c++) {
      let window = (plane * params.outHeight + r) * params.outWidth + c;
      if (index[window] == own) {
        sum += x[window];
      }
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
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i < params.size) {
    pool(i);
  }
}
