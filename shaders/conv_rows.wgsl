// Convolution of whole rows in registers: 3 x 3, stride 1, dilation 1, forward and input gradient.
//
// A workgroup is one subgroup, and its lanes are columns: it computes TY rows of one image, whole, for TK output channels, as VO
// vectors of SG columns. Of the input it reads the rows it needs once, as VI vectors; what a tap to the left or to the right needs
// is in the next lane, and comes from there by a shuffle, where conv_direct loads it again. PAD is the padding to the left: tap q
// of column x reads column x + q - PAD. Positions outside the image are zero.
//
// Weights come packed by conv_pack, [group][kBlock][channel][9][TK]; each lane loads every SG-th, and subgroupBroadcast hands it
// round. FULL says that TK divides the channels of a group, EPILOGUE what becomes of the sums as they are stored.
enable subgroups;

struct Params {
  bands: u32,     // images * bandsY
  bandsY: u32,    // of TY rows each
  gridX: u32,     // workgroups along x; the y dimension continues them
  c: u32,         // input channels of a group
  inH: u32,
  inW: u32,
  outH: u32,
  outW: u32,
  paddingY: u32,
  k: u32,         // output channels of a group
  kBlocks: u32,
  groups: u32,
  hasBias: u32,
};
@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
//#if EPILOGUE == reluGrad
@group(0) @binding(4) var<storage, read> mask: array<f32>;
//#end
@group(0) @binding(31) var<uniform> params: Params;

/** What is stored at a place: the sum, or its ReLU, or as the gradient of a ReLU, where that ReLU's result is positive. */
fn finish(sum: f32, at: u32) -> f32 {
//#if EPILOGUE == relu
  return max(sum, 0.0);
//#else
//#if EPILOGUE == reluGrad
  return select(0.0, sum, mask[at] > 0.0);
//#else
  return sum;
//#end
//#end
}

fn store(at: u32, sum: f32) { output[at] = finish(sum, at); }

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let band = wg.y * params.gridX + wg.x;
  if (band >= params.bands) {
    return;
  }
  let n = band / params.bandsY;
  let y0 = band % params.bandsY * TY;
  let group = wg.z / params.kBlocks;
  let k0 = wg.z % params.kBlocks * TK;
  let top = i32(y0) - i32(params.paddingY);
  let width = i32(params.inW);
  let plane = i32(params.inH) * width;
  var base = i32((n * params.groups + group) * params.c) * plane + top * width + i32(lane);
  var w = wg.z * params.c * NW + lane;
  //#unroll q 0 3
  let turn_$q = (lane + $[SG + q - PAD]u) % SG;
  //#end
  //#unroll j 0 VI
  let colIn_$j = lane + $[j * SG]u < params.inW;
  //#end
  //#unroll a 0 TY+2
  let rowIn_$a = top + $a >= 0 && top + $a < i32(params.inH);
  //#end
  let lastBias = group * params.k + params.k - 1u;
  //#unroll k 0 TK
  let init_$k = select(0.0, bias[min(group * params.k + k0 + $[k]u, lastBias)], params.hasBias == 1u);
  //#unroll y 0 TY
  //#unroll v 0 VO
  var acc_$[k]_$[y]_$v = init_$k;
  //#end
  //#end
  //#end

  for (var c = 0u; c < params.c; c++) {
    //#unroll j 0 NL
    let w_$j = weight[w + $[j]u * SG];
    //#end
    // x_a_0 and those past VI lie outside the image.
    //#unroll a 0 TY+2
    let x_$[a]_0 = 0.0;
    //#unroll j 0 VI
    let x_$[a]_$[j + 1] = select(0.0, input[u32(base + $a * width + $[j * SG])], rowIn_$a & colIn_$j);
    //#end
    //#unroll j VI VO+1
    let x_$[a]_$[j + 1] = 0.0;
    //#end
    //#end
    base += plane;
    w += NW;
    //#unroll q 0 3
    //#unroll a 0 TY+2
    //#unroll v 0 VO
    //#if q == PAD
    let s_$[q]_$[a]_$v = x_$[a]_$[v + 1];
    //#else
    let s_$[q]_$[a]_$v = select(
      subgroupShuffle(x_$[a]_$[v + 1], turn_$q),
      subgroupShuffle(x_$[a]_$[v + 1 + (q > PAD) - (q < PAD)], turn_$q),
      //#if q > PAD
      lane >= $[SG - q + PAD]u,
      //#else
      lane < $[PAD - q]u,
      //#end
    );
    //#end
    //#end
    //#end
    //#end
    //#unroll r 0 3
    //#unroll q 0 3
    //#unroll k 0 TK
    {
      let v = subgroupBroadcast(w_$[((3 * r + q) * TK + k) / SG], $[((3 * r + q) * TK + k) % SG]u);
      //#unroll y 0 TY
      //#unroll v 0 VO
      acc_$[k]_$[y]_$v += v * s_$[q]_$[y + r]_$v;
      //#end
      //#end
    }
    //#end
    //#end
    //#end
  }

  let outPlane = params.outH * params.outW;
  let at = ((n * params.groups + group) * params.k + k0) * outPlane + y0 * params.outW + lane;
  //#unroll y 0 TY
  //#unroll v 0 VO
  if (y0 + $[y]u < params.outH && lane + $[v * SG]u < params.outW) {
    //#unroll k 0 TK
    //#if FULL
    store(at + $[k]u * outPlane + $[y]u * params.outW + $[v * SG]u, acc_$[k]_$[y]_$v);
    //#else
    if (k0 + $[k]u < params.k) {
      store(at + $[k]u * outPlane + $[y]u * params.outW + $[v * SG]u, acc_$[k]_$[y]_$v);
    }
    //#end
    //#end
  }
  //#end
  //#end
}
