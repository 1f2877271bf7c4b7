// The scalar mathematics shared by the kernels of the mutual information: prepended to them.
//
// For one entry of the joint distribution, P = P_ab with marginals r = P_a. and c = P_.b, and t = P / (r c):
//
//     L    = ln t                        the gradient of MI with respect to P_ab, up to a constant that the softmax removes
//     term = P ln t - P + r c = r c (t ln t - t + 1)
//
// Since P and r c both sum to 1, the terms sum to MI = sum P ln t. Each of them is >= 0, so where MI is a small difference
// of logarithms nothing cancels, and a rounding error in P or in a marginal enters only at second order.
//
// With t = 2^k f, f in [sqrt(1/2), sqrt(2)), s = (f - 1) / (f + 1), z = s^2, and w = 1/3 + z/5 + z^2/7 + ...:
//
//     ln f = 2 atanh s = 2 s + 2 s z w
//     t ln t - t + 1 = 2 s^2 (1 + s (1 + s) w) / (1 - s)         for k = 0
//
// (WGSL's own log may be off by 2^-21 near 1, which would be most of a small MI.)

// Below this P counts as 0: L = 0, and the entry contributes to nothing but the r c of its term.
const SMALLEST_JOINT = 1e-30;
const LN2 = 0.693147180559945;

struct Entry {
  // ln(P / (r c)), or 0 where P counts as 0
  log_ratio: f32,
  term: f32,
}

fn information(p: f32, r: f32, c: f32) -> Entry {
  let present = p >= SMALLEST_JOINT;
  // One division after the other: r c may underflow, P / r and its ratio to c cannot.
  let t = select(1.0, p / max(r, SMALLEST_JOINT) / max(c, SMALLEST_JOINT), present);

  // Adding the distance from sqrt(1/2) to 1 carries into the exponent exactly where the mantissa is >= sqrt(2).
  let shifted = bitcast<u32>(t) + (0x3f800000u - 0x3f3504f3u);
  let f = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
  let k = f32(i32(shifted >> 23u) - 127);

  let s = (f - 1.0) / (f + 1.0);
  let z = s * s;
  let w = 1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0)));
  let log_ratio = k * LN2 + 2.0 * s * (1.0 + z * w);

  let independent = r * c;
  let near = independent * (2.0 * z * (1.0 + s * (1.0 + s) * w) / (1.0 - s));
  let far = p * (log_ratio - 1.0) + independent;
  return Entry(log_ratio, select(independent, select(far, near, k == 0.0), present));
}
