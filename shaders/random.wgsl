// Random numbers by Philox-4x32-10 (Salmon et al., SC 2011); engine/random.ts and engine/normal.ts are the same functions
// on the CPU, bit for bit. Each invocation makes one block of four words and from it four elements.
// KIND == uniform: (upper 24 bits - centre) * scale
// KIND == normal:  the standard normal number in units of 2^-28, * scale
// KIND == dropout: 0 where the upper 24 bits are below centre, else x * scale
// BY_ROWS: the result is a matrix whose row r has the numbers of row rows[r] of a matrix with rows without end; each row
// begins a block.

struct Params {
  key: vec2u,
  // The number of the first block, low word first.
  offset: vec2u,
  stream: vec2u,
  blocks: u32,
  centre: u32,
  scale: f32,
//#if BY_ROWS == 1
  blocks_per_row: u32,
  row_length: u32,
//#end
}
@group(0) @binding(31) var<uniform> params: Params;

//#if BY_ROWS == 1
@group(0) @binding(0) var<storage, read> rows: array<u32>;
//#if KIND == normal
@group(0) @binding(1) var<storage, read> knots: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
//#else
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
//#end
//#else
//#if KIND == uniform
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
//#else
//#if KIND == normal
@group(0) @binding(0) var<storage, read> knots: array<u32>;
//#else
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
//#end
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
//#end
//#end

// High 32 bits of a 64-bit product, by 16-bit halves.
fn mulhi(a: u32, b: u32) -> u32 {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let mid = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (mid & 0xffffu);
  return a_high * b_high + (mid >> 16u) + (carry >> 16u);
}

fn philox(counter: vec4u) -> vec4u {
  var c = counter;
  var k = params.key;
  for (var round = 0u; round < 10u; round++) {
    let high = vec2u(mulhi(0xd2511f53u, c.x), mulhi(0xcd9e8d57u, c.z));
    let low = vec2u(0xd2511f53u * c.x, 0xcd9e8d57u * c.z);
    c = vec4u(high.y ^ c.y ^ k.x, low.y, high.x ^ c.w ^ k.y, low.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

//#if KIND == normal
// Linear interpolation between the quantile's knots; the result has at most 24 significant bits.
fn normal_fixed(word: u32) -> i32 {
  let tail = word & 0x7fffffffu;
  let rest = 26u - min(countLeadingZeros(tail), 26u);
  let knot = (rest << 5u) + (tail >> rest);
  let fraction = (tail << (31u - rest)) << 1u;
  let start = knots[knot];
  let exact = start - mulhi(start - knots[knot + 1u], fraction);
  let drop = 8u - min(countLeadingZeros(exact), 8u);
  let magnitude = i32((exact >> drop) << drop);
  return select(magnitude, -magnitude, (word >> 31u) == 1u);
}
//#end

// The elements of invocation i.
fn put(i: u32, value: vec4f) {
//#if BY_ROWS == 1
  let start = 4u * (i % params.blocks_per_row);
  let first = (i / params.blocks_per_row) * params.row_length + start;
  for (var k = 0u; k < min(4u, params.row_length - start); k++) {
    y[first + k] = value[k];
  }
//#else
  y[i] = value;
//#end
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i >= params.blocks) {
    return;
  }
//#if BY_ROWS == 1
  let block = rows[i / params.blocks_per_row] * params.blocks_per_row + i % params.blocks_per_row;
//#else
  let block = i;
//#end
  let low = params.offset.x + block;
  let high = params.offset.y + select(0u, 1u, low < block);
  let words = philox(vec4u(low, high, params.stream));
//#if KIND == uniform
  put(i, vec4f(vec4i(words >> vec4u(8u)) - vec4i(i32(params.centre))) * params.scale);
//#end
//#if KIND == normal
  let fixed = vec4i(normal_fixed(words.x), normal_fixed(words.y), normal_fixed(words.z), normal_fixed(words.w));
  put(i, vec4f(fixed) * params.scale);
//#end
//#if KIND == dropout
  put(i, select(vec4f(0), x[i] * params.scale, (words >> vec4u(8u)) >= vec4u(params.centre)));
//#end
}
