// Batched matrix product  out[z,m,n] = sum_k op(a)[z,m,k] op(b)[z,k,n] (+ bias[n]), tiled in workgroup memory (parts/tile_product.wgsl).
//
// A_TRANS, B_TRANS, A_VEC, B_VEC, C_VEC (not with B_TRANS), BIAS, edges and split k: as in gemm_quad.wgsl.

struct Params {
  M: u32, N: u32, K: u32, kChunk: u32,
  lda: u32, ldb: u32, ldc: u32, splitStride: u32,
  splits: u32, batchInner: u32, aOuter: u32, aInner: u32,
  bOuter: u32, bInner: u32, cOuter: u32, cInner: u32,
  tileM: u32, tileN: u32, tileZ: u32,
}
@group(0) @binding(31) var<uniform> params: Params;

//#if A_VEC
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
fn loadA(i: u32) -> vec4f { return a[i / 4u]; }
//#else
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn loadA(i: u32) -> vec4f { return vec4f(a[i], a[i + 1u], a[i + 2u], a[i + 3u]); }
//#end
//#if B_VEC
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
fn loadB(i: u32) -> vec4f { return b[i / 4u]; }
//#else
@group(0) @binding(1) var<storage, read> b: array<f32>;
fn loadB(i: u32) -> vec4f { return vec4f(b[i], b[i + 1u], b[i + 2u], b[i + 3u]); }
//#end
//#if C_VEC
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;
//#else
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
//#end
//#if BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
//#end

struct Tile {
  m0: u32, n0: u32, kFrom: u32, kTo: u32,
  aBase: u32, bBase: u32, cBase: u32, slice: u32,
}

fn tileOf(group: vec3u) -> Tile {
  let z = group.z + params.tileZ;
  let slice = z % params.splits;
  let outer = z / params.splits / params.batchInner;
  let inner = z / params.splits % params.batchInner;
  let kFrom = slice * params.kChunk;
  return Tile(
    (group.y + params.tileM) * BM,
    (group.x + params.tileN) * BN,
    kFrom,
    min(params.K, kFrom + params.kChunk),
    outer * params.aOuter + inner * params.aInner,
    outer * params.bOuter + inner * params.bInner,
    outer * params.cOuter + inner * params.cInner + slice * params.splitStride,
    slice,
  );
}

/** Where a thread fetches from: its row or column of the operand, and its part of a step along k. */
struct Place { base: u32, along: u32 }
alias PlaceA = Place;
alias PlaceB = Place;

fn placeOfA(tile: Tile, local: u32) -> PlaceA {
//#if A_TRANS
  let m = min(tile.m0 + local % (BM / 4u) * 4u, params.M - 1u);
  return PlaceA(tile.aBase + (m & ~3u), local / (BM / 4u));
//#else
  let m = min(tile.m0 + local / KV, params.M - 1u);
  return PlaceA(tile.aBase + m * params.lda, local % KV * 4u);
//#end
}

fn placeOfB(tile: Tile, local: u32) -> PlaceB {
//#if B_TRANS
  let n = min(tile.n0 + local / KV, params.N - 1u);
  return PlaceB(tile.bBase + n * params.ldb, local % KV * 4u);
//#else
  let n = min(tile.n0 + local % (BN / 4u) * 4u, params.N - 1u);
  return PlaceB(tile.bBase + (n & ~3u), local / (BN / 4u));
//#end
}

fn inside(k: u32, end: u32) -> vec4<bool> { return vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(end); }

fn fetchA(at: PlaceA, k0: u32, kTo: u32) -> vec4f {
  let k = k0 + at.along;
//#if A_TRANS
  return select(vec4f(), loadA(at.base + min(k, kTo - 1u) * params.lda), k < kTo);
//#else
  return select(vec4f(), loadA(at.base + k), inside(k, kTo));
//#end
}

fn fetchB(at: PlaceB, k0: u32, kTo: u32) -> vec4f {
  let k = k0 + at.along;
//#if B_TRANS
  return select(vec4f(), loadB(at.base + k), inside(k, kTo));
//#else
  return loadB(at.base + min(k, kTo - 1u) * params.ldb);
//#end
}

//#if BIAS
fn biased(v: f32, col: u32, slice: u32) -> f32 {
  return v + select(0.0, bias[col], slice == 0u);
}
//#else
fn biased(v: f32, col: u32, slice: u32) -> f32 {
  return v;
}
//#end

//#if C_VEC
fn store4(tile: Tile, row: u32, col: u32, v: vec4f) {
  if (row >= params.M || col >= params.N) { return; }
  let sum = vec4f(
    biased(v.x, col, tile.slice),
    biased(v.y, col + 1u, tile.slice),
    biased(v.z, col + 2u, tile.slice),
    biased(v.w, col + 3u, tile.slice),
  );
  c[(tile.cBase + row * params.ldc + col) / 4u] = sum;
}
//#else
fn store1(tile: Tile, row: u32, col: u32, v: f32) {
  if (row >= params.M || col >= params.N) { return; }
  c[tile.cBase + row * params.ldc + col] = biased(v, col, tile.slice);
}
//#end
