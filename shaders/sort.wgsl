// A stable merge sort of x [rows, count, inner] along its middle axis, by one invocation for each element and pass.
// PASS == rank:  an element of x counts the elements of its block of `run` places that go before it: its place in the block.
// PASS == merge: neighbouring runs of `run` places, each in order, are merged: an element counts by bisection the elements of the
//                other run that go before it. Of equal elements those of the left run go first, which keeps the order of x.
// Every place is written by exactly one element, whatever the values, because the keys have a total order.
//
// Keys are words that order as the elements do: the bits of a float with the sign bit flipped, or all bits flipped where it is
// set (Knuth, TAOCP 3, 5.2.5); both zeros are one, and a NaN is above everything. DESCENDING flips all bits of the key.
// SOURCE is the element type. The LAST pass writes the elements in place of the keys.

//#if PASS == rank
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> sorted: array<u32>;
@group(0) @binding(2) var<storage, read_write> sortedIndex: array<i32>;
//#else
@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> sorted: array<u32>;
@group(0) @binding(3) var<storage, read_write> sortedIndex: array<i32>;
//#if LAST
@group(0) @binding(4) var<storage, read> x: array<u32>;
//#end
//#end

struct Params {
  size: u32,
  count: u32,
  inner: u32,
  run: u32,
}
@group(0) @binding(31) var<uniform> params: Params;

fn keyOf(word: u32) -> u32 {
//#if SOURCE == f32
  let magnitude = word & 0x7fffffffu;
  var key = select(word | 0x80000000u, ~word, word > 0x80000000u);
  key = select(key, 0xffffffffu, magnitude > 0x7f800000u);
  key = select(key, 0x80000000u, magnitude == 0u);
//#end
//#if SOURCE == i32
  let key = word ^ 0x80000000u;
//#end
//#if SOURCE == u32
  let key = word;
//#end
  return select(key, ~key, DESCENDING);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = groups.x * groups.y * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + lane; i < params.size; i += step) {
    let line = i / params.inner;
    let place = line % params.count;
    let base = (line / params.count) * params.count * params.inner + i % params.inner;
//#if PASS == rank
    let first = place - place % params.run;
    let last = min(first + params.run, params.count);
    let key = keyOf(x[i]);
    var rank = 0u;
    for (var j = first; j < last; j++) {
      let other = keyOf(x[base + j * params.inner]);
      rank += select(0u, 1u, other < key || (other == key && j < place));
    }
    let goal = base + (first + rank) * params.inner;
    let origin = i32(place);
    let word = x[i];
//#else
    let first = place - place % (2u * params.run);
    let middle = min(first + params.run, params.count);
    let key = keys[i];
    let right = place >= middle;
    // The other run; in it, the elements before `low` go before this one, those from `high` on do not.
    let start = select(middle, first, right);
    var low = start;
    var high = select(min(middle + params.run, params.count), middle, right);
    while (low < high) {
      let probe = (low + high) / 2u;
      let other = keys[base + probe * params.inner];
      if (other < key || (right && other == key)) {
        low = probe + 1u;
      } else {
        high = probe;
      }
    }
    let own = place - select(first, middle, right);
    let goal = base + (first + own + low - start) * params.inner;
    let origin = index[i];
//#if LAST
    let word = x[base + u32(origin) * params.inner];
//#end
//#end
//#if LAST
    sorted[goal] = word;
//#else
    sorted[goal] = key;
//#end
    sortedIndex[goal] = origin;
  }
}
