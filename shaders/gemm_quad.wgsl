// Batched matrix product  out[z,m,n] = sum_k op(a)[z,m,k] op(b)[z,k,n] (+ bias[n]), by outer products permuted among lanes.
//
// An invocation owns 4*Q rows by four columns of `out`; the SHARE = 4 or 8 lanes of a quad or an octet own the same rows and different
// columns. Loading the block of `a` that four steps of k need would cost every lane 4*Q vector loads of the same data. Instead
// each lane loads its share and the lanes exchange registers:
//   op(a) = a  : lane l loads a[r + SHARE i + l][k .. k+3]; component u of the neighbour l^j, fetched by a swap, belongs to row
//                r + SHARE i + (l^j), so accumulator SHARE i + j of lane l holds that row and only the store has to know.
//   op(a) = a^T: lane l loads four rows of a[k + l%4]; a broadcast from lane u gives four rows at step k+u. An octet loads eight
//                rows at a time, and has to be the whole subgroup.
// The rows belong to the whole workgroup, so nothing else depends on how invocations are numbered in subgroups.
// On drivers that emulate a GPU a load costs several times a multiplication, and an exchange is one instruction.
//
// A_TRANS, B_TRANS: the operand is stored transposed. A_VEC, B_VEC, C_VEC: its rows and offsets are multiples of 4 floats.
// WG: invocations of a workgroup, a multiple of 4.
// Edges: loads are clamped to the matrix and masked where they would enter a sum; stores outside are skipped. EXACT says that there
// are none: rows, columns and k divide into whole tiles and fours.
// Split k: slice s of the grid sums k in [s * kChunk, (s+1) * kChunk) and stores to out + s * splitStride; slice 0 adds bias.
enable subgroups;

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

//#if EXACT
fn inRows(row: u32) -> u32 { return row; }
fn inColumns(col: u32) -> u32 { return col; }
fn inSum(k: u32, end: u32) -> u32 { return k; }
fn upTo(end: u32, k: vec4u, v: vec4f) -> vec4f { return v; }
//#else
fn inRows(row: u32) -> u32 { return min(row, params.M - 1u); }
fn inColumns(col: u32) -> u32 { return min(col, params.N - 1u); }
fn inSum(k: u32, end: u32) -> u32 { return min(k, end - 1u); }
/** Zeros where k is past the end. */
fn upTo(end: u32, k: vec4u, v: vec4f) -> vec4f { return select(vec4f(), v, k < vec4u(end)); }
//#end

fn store(row: u32, col: u32, base: u32, v: vec4f) {
//#if !EXACT
  if (row >= params.M || col >= params.N) { return; }
//#end
  let i = base + row * params.ldc + col;
//#if C_VEC
  c[i / 4u] = v;
//#else
  c[i] = v.x;
  if (col + 1u < params.N) { c[i + 1u] = v.y; }
  if (col + 2u < params.N) { c[i + 2u] = v.z; }
  if (col + 3u < params.N) { c[i + 3u] = v.w; }
//#end
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let lane = invocation & $[SHARE - 1]u;
  let z = group.z + params.tileZ;
  let slice = z % params.splits;
  let outer = z / params.splits / params.batchInner;
  let inner = z / params.splits % params.batchInner;
  let aBase = outer * params.aOuter + inner * params.aInner;
  let bBase = outer * params.bOuter + inner * params.bInner;
  let cBase = outer * params.cOuter + inner * params.cInner + slice * params.splitStride;
  let kFrom = slice * params.kChunk;
  let kTo = min(params.K, kFrom + params.kChunk);
  let row = (group.y + params.tileM) * (4u * Q);
  let col = ((group.x + params.tileN) * WG + local) * 4u;

//#unroll i 0 4*Q/SHARE
//#if A_TRANS
  let a_$[i] = aBase + inRows(row + $[SHARE*i]u + (lane & ~3u));
//#else
  let a_$[i] = aBase + inRows(row + $[SHARE*i]u + lane) * params.lda;
//#end
//#end
//#unroll m 0 4*Q
  var acc_$[m] = vec4f();
//#end
//#if B_TRANS
//#unroll n 0 4
  let b_$[n] = bBase + inColumns(col + $[n]u) * params.ldb;
//#end
//#else
  let b_0 = bBase + (inColumns(col) & ~3u);
//#end

  for (var k = kFrom; k < kTo; k += 4u) {
//#unroll i 0 4*Q/SHARE
//#if A_TRANS
    let x_$[i] = upTo(kTo, vec4u(k + (lane & 3u)), loadA(a_$[i] + inSum(k + (lane & 3u), kTo) * params.lda));
//#else
    let x_$[i] = upTo(kTo, vec4u(k, k + 1u, k + 2u, k + 3u), loadA(a_$[i] + k));
//#end
//#end
//#if B_TRANS
//#unroll n 0 4
    let t_$[n] = upTo(kTo, vec4u(k, k + 1u, k + 2u, k + 3u), loadB(b_$[n] + k));
//#end
//#end
//#unroll u 0 4
    {
//#if B_TRANS
      let y = vec4f(t_0[$[u]], t_1[$[u]], t_2[$[u]], t_3[$[u]]);
//#else
      let y = loadB(b_0 + inSum(k + $[u]u, kTo) * params.ldb);
//#end
//#if A_TRANS
//#unroll i 0 Q
//#if SHARE == 4
      let q_$[i] = quadBroadcast(x_$[i], $[u]);
//#else
      let q_$[i] = subgroupBroadcast(x_$[i / 2], $[u + i % 2 * 4]u);
//#end
//#unroll m 0 4
      acc_$[4*i+m] += q_$[i][$[m]] * y;
//#end
//#end
//#else
//#unroll i 0 4*Q/SHARE
      let s_$[i] = x_$[i][$[u]];
      acc_$[SHARE*i] += s_$[i] * y;
      acc_$[SHARE*i+1] += quadSwapX(s_$[i]) * y;
      acc_$[SHARE*i+2] += quadSwapY(s_$[i]) * y;
      acc_$[SHARE*i+3] += quadSwapDiagonal(s_$[i]) * y;
//#unroll m 4 SHARE
      acc_$[SHARE*i+m] += subgroupShuffleXor(s_$[i], $[m]u) * y;
//#end
//#end
//#end
    }
//#end
  }

//#if BIAS
  let shift = select(vec4f(), vec4f(bias[col], bias[col + 1u], bias[col + 2u], bias[col + 3u]), slice == 0u);
//#else
  let shift = vec4f();
//#end
//#unroll m 0 4*Q
//#if A_TRANS
  store(row + $[m], col, cBase, acc_$[m] + shift);
//#else
  store(row + $[m - m % SHARE] + (lane ^ $[m % SHARE]), col, cBase, acc_$[m] + shift);
//#end
//#end
}
