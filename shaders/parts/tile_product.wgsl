// A product of two matrices by tiles in workgroup memory: the part that gemm_tile, conv_tile and conv_tile_weight_grad share.
//
// The classic GPU scheme (Volkov and Demmel 2008; Boehm, "How to optimize a CUDA matmul kernel", 2022): 256 threads, 16 x 16,
// compute a BM x BN tile of the result, TM x TN values each in registers. Per BK steps of k every thread brings one vec4 of each
// operand into workgroup memory, and fetches the next while the current ones are used. Needs no feature beyond the base.
//
// An operand keeps in workgroup memory the direction in which it is fetched, so no element is moved one by one:
//   a,   vec4 along k: tileA[m][k/4], thread row i is  ty + 16 i          a^T, vec4 along m: tileA[k][m/4], rows 4(ty + 16 i) + c
//   b,   vec4 along n: tileB[k][n/4], columns 4(tx + 16 j) + c            b^T, vec4 along k: tileB[n][k/4], columns tx + 16 (4 j + c)
// Each is read along rows of consecutive addresses or broadcast (PAD makes the stride of b^T odd), so banks do not conflict.
//
// The kernel's own file says where operands come from and where results go:
//   struct Tile, with m0 and n0, the first row and column, and kFrom and kTo, the range of k; tileOf(workgroup) -> Tile
//   struct PlaceA; placeOfA(tile, thread) -> PlaceA; fetchA(place, k0, kTo) -> vec4f, four values of step k0, zeros past kTo
//   the same of B, whose values past kTo meet those zeros and have to be numbers
//   store4(tile, row, col, vec4f), or without C_VEC store1(tile, row, col, f32), which leave out what is past the edges
// BM*BK = BN*BK = 1024, BM = 16 TM, BN = 16 TN.  RM = TM/4, RN = TN/4, KV = BK/4.
// OPAQUE hides the inner trip count from compilers of software adapters, which would unroll it into code that
// takes seconds to compile.

const PAD: u32 = KV + 1u;
var<workgroup> tileA: array<vec4f, 256>;
//#if B_TRANS
var<workgroup> tileB: array<vec4f, BN * PAD>;
//#else
var<workgroup> tileB: array<vec4f, 256>;
//#end

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let tile = tileOf(group);
  let atA = placeOfA(tile, local);
  let atB = placeOfB(tile, local);
  let tx = local % 16u;
  let ty = local / 16u;

//#unroll i 0 TM
//#unroll j 0 RN
  var acc_$[i]_$[j] = vec4f();
//#end
//#end

  var nextA = fetchA(atA, tile.kFrom, tile.kTo);
  var nextB = fetchB(atB, tile.kFrom, tile.kTo);
  for (var k0 = tile.kFrom; k0 < tile.kTo; k0 += BK) {
    workgroupBarrier();
    tileA[local] = nextA;
//#if B_TRANS
    tileB[local / KV * PAD + local % KV] = nextB;
//#else
    tileB[local] = nextB;
//#end
    workgroupBarrier();
    nextA = fetchA(atA, k0 + BK, tile.kTo);
    nextB = fetchB(atB, k0 + BK, tile.kTo);
//#if OPAQUE
    let steps = min(KV, tile.kTo);
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
  let row_$[4*i+m] = tile.m0 + 4u * (ty + $[16*i]) + $[m];
//#else
  let row_$[4*i+m] = tile.m0 + ty + $[16*(4*i+m)];
//#end
//#unroll j 0 RN
//#if C_VEC
  store4(tile, row_$[4*i+m], tile.n0 + 4u * (tx + $[16*j]), acc_$[4*i+m]_$[j]);
//#else
//#unroll n 0 4
//#if B_TRANS
  store1(tile, row_$[4*i+m], tile.n0 + tx + $[16*(4*j+n)], acc_$[4*i+m]_$[j][$[n]]);
//#else
  store1(tile, row_$[4*i+m], tile.n0 + 4u * (tx + $[16*j]) + $[n], acc_$[4*i+m]_$[j][$[n]]);
//#end
//#end
//#end
//#end
//#end
//#end
}
