// What a training step reports of its logits [m, C]: the fraction of rows whose largest logit (the first of equal ones) is at
// the label, and the number of logits that are NaN or infinite, found by their bits. Written to metrics[at] and [at + 1].
// One workgroup; every sum runs in a fixed order.

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read_write> metrics: array<f32>;

struct Params {
  rows: u32,
  classes: u32,
  at: u32,
}
@group(0) @binding(31) var<uniform> params: Params;

var<workgroup> correct: array<u32, 64>;
var<workgroup> broken: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var hits = 0u;
  var faults = 0u;
  for (var row = lane; row < params.rows; row += 64u) {
    let start = row * params.classes;
    var best = 0u;
    for (var k = 0u; k < params.classes; k++) {
      let z = logits[start + k];
      faults += select(0u, 1u, (bitcast<u32>(z) & 0x7f800000u) == 0x7f800000u);
      best = select(best, k, z > logits[start + best]);
    }
    hits += select(0u, 1u, i32(best) == labels[row]);
  }
  correct[lane] = hits;
  broken[lane] = faults;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < 64u; other++) {
      hits += correct[other];
      faults += broken[other];
    }
    metrics[params.at] = f32(hits) / f32(params.rows);
    metrics[params.at + 1u] = f32(faults);
  }
}
