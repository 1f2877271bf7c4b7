// Weight gradient of a convolution as an implicit matrix product (see conv_tile and parts/tile_product.wgsl):
//
//     dW[k, (c, tap)] = sum over images and positions of dY[image, k, position] * window[(c, tap), (image, position)]
//
// Rows are output channels of one group, columns channels and taps. The sum, over all positions, is long where the product is small:
// it is split into slices of kChunk positions, whose partial products conv_sum adds in their order.
//
// PLANE_VEC: images of dY have a multiple of four positions.

struct Params {
  k: u32,           // output channels of a group
  c: u32,           // input channels of a group
  columns: u32,     // c * taps
  positions: u32,   // images * outH * outW
  kChunk: u32,
  splits: u32,
  splitStride: u32, // elements of a partial result
  groups: u32,
  tilesM: u32,
  tapsY: u32,
  tapsX: u32,
  inH: i32,
  inW: i32,
  outH: u32,
  outW: u32,
  strideY: i32,
  strideX: i32,
  paddingY: i32,
  paddingX: i32,
  dilationY: i32,
  dilationX: i32,
}
@group(0) @binding(31) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> input: array<f32>;
//#if PLANE_VEC
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
//#else
@group(0) @binding(1) var<storage, read> dy: array<f32>;
//#end
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

struct Tile { m0: u32, n0: u32, kFrom: u32, kTo: u32, group: u32, slice: u32 }

fn tileOf(workgroup: vec3u) -> Tile {
  let slice = workgroup.y;
  let kFrom = slice * params.kChunk;
  return Tile(
    workgroup.x % params.tilesM * BM,
    workgroup.x / params.tilesM * BN,
    kFrom,
    min(params.positions, kFrom + params.kChunk),
    workgroup.z,
    slice,
  );
}

/** A channel of dY, and this thread's part of a step. */
struct PlaceA { channel: u32, along: u32 }

fn placeOfA(tile: Tile, local: u32) -> PlaceA {
  let m = min(tile.m0 + local / KV, params.k - 1u);
  return PlaceA(tile.group * params.k + m, local % KV * 4u);
}

fn fetchA(at: PlaceA, k0: u32, kTo: u32) -> vec4f {
  let k = vec4u(k0 + at.along) + vec4u(0u, 1u, 2u, 3u);
  let plane = params.outH * params.outW;
//#if PLANE_VEC
  let value = dy[((k.x / plane * params.groups * params.k + at.channel) * plane + k.x % plane) / 4u];
//#else
  let index = (k / plane * params.groups * params.k + at.channel) * plane + k % plane;
  let value = vec4f(dy[index.x], dy[index.y], dy[index.z], dy[index.w]);
//#end
  return select(vec4f(), value, k < vec4u(kTo));
}

/** A channel of the input and a tap, as what it adds to places in an image; and this thread's part of a step. */
struct PlaceB { channel: u32, y: i32, x: i32, along: u32 }

fn placeOfB(tile: Tile, local: u32) -> PlaceB {
  let n = min(tile.n0 + local / KV, params.columns - 1u);
  let tap = n % (params.tapsY * params.tapsX);
  let y = i32(tap / params.tapsX) * params.dilationY - params.paddingY;
  let x = i32(tap % params.tapsX) * params.dilationX - params.paddingX;
  return PlaceB(tile.group * params.c + n / (params.tapsY * params.tapsX), y, x, local % KV * 4u);
}

fn fetchB(at: PlaceB, k0: u32, kTo: u32) -> vec4f {
  let k = vec4u(k0 + at.along) + vec4u(0u, 1u, 2u, 3u);
  let y = vec4i(k / params.outW % params.outH) * params.strideY + at.y;
  let x = vec4i(k % params.outW) * params.strideX + at.x;
  let plane = vec4i(k / (params.outW * params.outH) * params.groups * params.c + at.channel);
  let index = vec4u((plane * params.inH + y) * params.inW + x);
  let value = vec4f(input[index.x], input[index.y], input[index.z], input[index.w]);
  let inside = (y >= vec4i()) & (y < vec4i(params.inH)) & (x >= vec4i()) & (x < vec4i(params.inW)) & (k < vec4u(kTo));
  return select(vec4f(), value, inside);
}

fn store1(tile: Tile, row: u32, col: u32, v: f32) {
  if (row >= params.k || col >= params.columns) {
    return;
  }
  partial[tile.slice * params.splitStride + (tile.group * params.k + row) * params.columns + col] = v;
}
