// Mutual information for any number of classes, last step: the sum of the partial sums, in a fixed order, by one workgroup.

struct Params {
  count: u32,
  // threads that have some of them
  threads: u32,
}

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> mi: array<f32>;
@group(0) @binding(31) var<uniform> params: Params;

var<workgroup> sums: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) thread: u32) {
  var sum = 0.0;
  for (var i = thread; i < params.count; i += WG) {
    sum += partials[i];
  }
  sums[thread] = sum;
  workgroupBarrier();
  if (thread == 0u) {
    var total = 0.0;
    for (var i = 0u; i < params.threads; i++) {
      total += sums[i];
    }
    mi[0] = total;
  }
}
