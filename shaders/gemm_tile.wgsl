// Batched matrix product  out[z,m,n] = sum_k op(a)[z,m,k] op(b)[z,k,n] (+ bias[n]), tiled in workgroup memory.
//
// The classic GPU scheme (Volkov and Demmel 2008; Boehm, "How to optimize a CUDA matmul kernel", 2022): 256 threads, 16 x 16,
// compute a BM x BN tile of `out`, TM x TN values each in registers. Per BK steps of k every thread brings one vec4 of each
// operand into workgroup memory, and fetches the next while the current ones are used. Needs no feature beyond the base.
//
// An operand keeps in workgroup memory the direction in which it lies in storage, so no element is moved one by one:
//   a,   vec4 along k: tileA[m][k/4], thread row i is  ty + 16 i          a^T, vec4 along m: tileA[k][m/4], rows 4(ty + 16 i) + c
//   b,   vec4 along n: tileB[k][n/4], columns 4(tx + 16 j) + c            b^T, vec4 along k: tileB[n][k/4], columns tx + 16 (4 j + c)
// Each is read along rows of consecutive addresses or broadcast (PAD makes the stride of b^T odd), so banks do not conflict.
//
// A_TRANS, B_TRANS, A_VEC, B_VEC, C_VEC (not with B_TRANS), BIAS, edges and split k: as in gemm_quad.wgsl.
// BM*BK = BN*BK = 1024, BM = 16 TM, BN = 16 TN.  RM = TM/4, RN = TN/4, KV = BK/4.
// OPAQUE hides the inner trip count: compilers of software adapters would unroll it into code that takes seconds to compile.

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

const PAD: u32 = KV + 1u;
var<workgroup> tileA: array<vec4f, 256>;
//#if B_TRANS
var<workgroup> tileB: array<vec4f, BN * PAD>;
//#else
var<workgroup> tileB: array<vec4f, 256>;
//#end

fn inside(k: u32, end: u32) -> vec4<bool> { return vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(end); }

fn fetchA(base: u32, local: u32, m0: u32, k0: u32, kTo: u32) -> vec4f {
//#if A_TRANS
  let k = k0 + local / (BM / 4u);
  let m = min(m0 + local % (BM / 4u) * 4u, params.M - 1u);
  return select(vec4f(), loadA(base + min(k, kTo - 1u) * params.lda + (m & ~3u)), k < kTo);
//#else
  let m = min(m0 + local / KV, params.M - 1u);
  let k = k0 + local % KV * 4u;
  return select(vec4f(), loadA(base + m * params.lda + k), inside(k, kTo));
//#end
}

fn fetchB(base: u32, local: u32, n0: u32, k0: u32, kTo: u32) -> vec4f {
//#if B_TRANS
  let n = min(n0 + local / KV, params.N - 1u);
  let k = k0 + local % KV * 4u;
  return select(vec4f(), loadB(base + n * params.ldb + k), inside(k, kTo));
//#else
  let k = min(k0 + local / (BN / 4u), kTo - 1u);
  let n = min(n0 + local % (BN / 4u) * 4u, params.N - 1u);
  return loadB(base + k * params.ldb + (n & ~3u));
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
fn store4(row: u32, col: u32, base: u32, slice: u32, v: vec4f) {
  if (row >= params.M || col >= params.N) { return; }
  let sum = vec4f(
    biased(v.x, col, slice),
    biased(v.y, col + 1u, slice),
    biased(v.z, col + 2u, slice),
    biased(v.w, col + 3u, slice),
  );
  c[(base + row * params.ldc + col) / 4u] = sum;
}
//#else
fn store1(row: u32, col: u32, base: u32, slice: u32, v: f32) {
  if (row >= params.M || col >= params.N) { return; }
  c[base + row * params.ldc + col] = biased(v, col, slice);
}
//#end

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let z = group.z + params.tileZ;
  let slice = z % params.splits;
  let outer = z / params.splits / params.batchInner;
  let inner = z / params.splits % params.batchInner;
  let aBase = outer * params.aOuter + inner * params.aInner;
  let bBase = outer * params.bOuter + inner * params.bInner;
  let cBase = outer * params.cOuter + inner * params.cInner + slice * params.splitStride;
  let kFrom = slice * params.kChunk;
  let kTo = min(params.K, kFrom + params.kChunk);
  let m0 = (group.y + params.tileM) * BM;
  let n0 = (group.x + params.tileN) * BN;
  let tx = local % 16u;
  let ty = local / 16u;

//#unroll i 0 TM
//#unroll j 0 RN
  var acc_$[i]_$[j] = vec4f();
//#end
//#end

  var nextA = fetchA(aBase, local, m0, kFrom, kTo);
  var nextB = fetchB(bBase, local, n0, kFrom, kTo);
  for (var k0 = kFrom; k0 < kTo; k0 += BK) {
    workgroupBarrier();
    tileA[local] = nextA;
//#if B_TRANS
    tileB[local / KV * PAD + local % KV] = nextB;
//#else
    tileB[local] = nextB;
//#end
    workgroupBarrier();
    nextA = fetchA(aBase, local, m0, k0 + BK, kTo);
    nextB = fetchB(bBase, local, n0, k0 + BK, kTo);
//#if OPAQUE
    let steps = min(KV, params.K);
//#else
    let steps = KV;
//#end
    for (var q = 0u; q < steps; q++) {
//#if A_TRANS
//#else
//#unroll i 0 TM
      let x_$[i] = tileA[(ty + $[16*i]) * KV + q];
//#end
//#end
//#if B_TRANS
//#unroll n 0 TN
      let t_$[n] = tileB[(tx + $[16*n]) * PAD + q];
//#end
//#end
//#unroll u 0 4
      {
//#unroll j 0 RN
//#if B_TRANS
        let y_$[j] = vec4f(t_$[4*j][$[u]], t_$[4*j+1][$[u]], t_$[4*j+2][$[u]], t_$[4*j+3][$[u]]);
//#else
        let y_$[j] = tileB[(4u * q + $[u]) * (BN / 4u) + tx + $[16*j]];
//#end
//#end
//#if A_TRANS
//#unroll i 0 RM
        let x_$[i] = tileA[(4u * q + $[u]) * (BM / 4u) + ty + $[16*i]];
//#unroll m 0 4
//#unroll j 0 RN
        acc_$[4*i+m]_$[j] = fma(vec4f(x_$[i][$[m]]), y_$[j], acc_$[4*i+m]_$[j]);
//#end
//#end
//#end
//#else
//#unroll i 0 TM
//#unroll j 0 RN
        acc_$[i]_$[j] = fma(vec4f(x_$[i][$[u]]), y_$[j], acc_$[i]_$[j]);
//#end
//#end
//#end
      }
//#end
    }
  }

//#unroll i 0 RM
//#unroll m 0 4
//#if A_TRANS
  let row_$[4*i+m] = m0 + 4u * (ty + $[16*i]) + $[m];
//#else
  let row_$[4*i+m] = m0 + ty + $[16*(4*i+m)];
//#end
//#unroll j 0 RN
//#if C_VEC
  store4(row_$[4*i+m], n0 + 4u * (tx + $[16*j]), cBase, slice, acc_$[4*i+m]_$[j]);
//#else
//#unroll n 0 4
//#if B_TRANS
  store1(row_$[4*i+m], n0 + tx + $[16*(4*j+n)], cBase, slice, acc_$[4*i+m]_$[j][$[n]]);
//#else
  store1(row_$[4*i+m], n0 + 4u * (tx + $[16*j]) + $[n], cBase, slice, acc_$[4*i+m]_$[j][$[n]]);
//#end
//#end
//#end
//#end
//#end
//#end
}
