// Elementwise functions, spliced into the kernels that apply them: unary, binary and fused. T is the element type, R the result's.

alias V = vec4<T>;
alias VR = vec4<R>;

// Of one operand.
//#if T == u32
fn op_square(a: V) -> V { return a * a; }
fn op_logicalNot(a: V) -> V { return select(V(0), V(1), a == V(0)); }
// The words of floats: an exponent of ones is an infinity, with any mantissa but 0 a NaN. Compilers may assume that there are
// neither, so only a test of the bits is sure to see them.
fn op_isNaN(a: V) -> V { return select(V(0), V(1), (a & V(0x7fffffffu)) > V(0x7f800000u)); }
fn op_isFinite(a: V) -> V { return select(V(0), V(1), (a & V(0x7fffffffu)) < V(0x7f800000u)); }
//#else
fn op_neg(a: V) -> V { return -a; }
fn op_abs(a: V) -> V { return abs(a); }
fn op_sign(a: V) -> V { return sign(a); }
fn op_square(a: V) -> V { return a * a; }
//#end
fn op_exp(a: vec4f) -> vec4f { return exp(a); }
fn op_log(a: vec4f) -> vec4f { return log(a); }
fn op_sqrt(a: vec4f) -> vec4f { return sqrt(a); }
fn op_rsqrt(a: vec4f) -> vec4f { return inverseSqrt(a); }
fn op_reciprocal(a: vec4f) -> vec4f { return 1.0 / a; }
fn op_relu(a: vec4f) -> vec4f { return max(a, vec4f(0)); }
fn op_floor(a: vec4f) -> vec4f { return floor(a); }
fn op_ceil(a: vec4f) -> vec4f { return ceil(a); }
// WGSL's round takes halves to the even neighbour.
fn op_round(a: vec4f) -> vec4f { return round(a); }
fn op_clamp(a: vec4f, low: f32, high: f32) -> vec4f { return clamp(a, vec4f(low), vec4f(high)); }
// exp(-|a|) cannot overflow, so neither branch of the logistic function does.
fn op_sigmoid(a: vec4f) -> vec4f {
  let e = exp(-abs(a));
  return select(e, vec4f(1), a >= vec4f(0)) / (1.0 + e);
}
// WGSL's tanh may overflow inside for large |a|; beyond 9 it is 1 to the last bit of f32.
fn op_tanh(a: vec4f) -> vec4f { return tanh(clamp(a, vec4f(-9), vec4f(9))); }

// ln(1 + a). Near 0, where 1 + a would round a away: with s = a / (2 + a), ln(1 + a) = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...).
// For |a| <= 1/2 is |s| <= 1/3, and what follows s^13/13 is below 2e-8 of the sum. Elsewhere 1 + a is rounded harmlessly.
fn op_log1p(a: vec4f) -> vec4f {
  let near = clamp(a, vec4f(-0.5), vec4f(0.5));
  let s = near / (2.0 + near);
  let z = s * s;
  let tail = 1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0 + z * (1.0 / 11.0 + z * (1.0 / 13.0)))));
  return select(log(1.0 + a), 2.0 * (s + s * z * tail), abs(a) <= vec4f(0.5));
}

// e^a - 1. For |a| <= 1/2 the Taylor series to a^8/8!, whose rest is below 2e-8 of it; elsewhere the 1 takes at most two bits.
fn op_expm1(a: vec4f) -> vec4f {
  let z = clamp(a, vec4f(-0.5), vec4f(0.5));
  let upper = 1.0 / 120.0 + z * (1.0 / 720.0 + z * (1.0 / 5040.0 + z * (1.0 / 40320.0)));
  let near = z + z * z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z * upper)));
  return select(exp(a) - 1.0, near, abs(a) <= vec4f(0.5));
}

// The error function. For |a| < 1 its Maclaurin series 2/sqrt(pi) sum (-1)^n a^(2n+1) / (n! (2n+1)) to n = 9 (the rest is below
// 2e-8 of it). Beyond, 1 - t (c1 + c2 t + ... + c5 t^4) e^(-a^2) with t = 1 / (1 + 0.3275911 |a|), whose error is below 1.5e-7:
// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.5 and 7.1.26. At 4 it is 1 to the last bit of f32.
fn op_erf(a: vec4f) -> vec4f {
  let z = min(a * a, vec4f(1));
  let high = 1.0 / 9360.0 + z * (-1.0 / 75600.0 + z * (1.0 / 685440.0 + z * (-1.0 / 6894720.0)));
  let low = -1.0 / 3.0 + z * (0.1 + z * (-1.0 / 42.0 + z * (1.0 / 216.0 + z * (-1.0 / 1320.0 + z * high))));
  let near = 1.1283791670955126 * (a + a * z * low);
  let m = min(abs(a), vec4f(4));
  let t = 1.0 / (1.0 + 0.3275911 * m);
  let p = 0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)));
  let far = 1.0 - t * p * exp(-m * m);
  return select(select(far, -far, a < vec4f(0)), near, abs(a) < vec4f(1));
}

// Sine and cosine; WGSL's own are only promised to 2^-11. With k the nearest whole number to a / (pi/2), what is left of a is
// r = a - k pi/2 with pi/2 in three parts (Cody and Waite), and polynomials for |r| <= pi/4 from Moshier's Cephes library
// (sinf.c) give the sine and the cosine of r, of which the quadrant k mod 4 takes one with its sign.
fn quarterTurn(a: vec4f, turn: i32) -> vec4f {
  let k = round(a * 0.63661977);
  let r = ((a - k * 1.5703125) - k * 4.837512969970703e-4) - k * 7.54978995489e-8;
  let z = r * r;
  let sine = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
  let cosine = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  let quadrant = (vec4i(k) + turn) & vec4i(3);
  let value = select(sine, cosine, (quadrant & vec4i(1)) == vec4i(1));
  return select(value, -value, quadrant >= vec4i(2));
}
fn op_sin(a: vec4f) -> vec4f { return quarterTurn(a, 0); }
fn op_cos(a: vec4f) -> vec4f { return quarterTurn(a, 1); }

fn op_leakyRelu(a: vec4f, slope: f32) -> vec4f { return select(slope * a, a, a > vec4f(0)); }
fn op_elu(a: vec4f, alpha: f32) -> vec4f { return select(alpha * op_expm1(min(a, vec4f(0))), a, a > vec4f(0)); }
fn op_gelu(a: vec4f) -> vec4f { return 0.5 * a * (1.0 + op_erf(0.7071067811865476 * a)); }
// sqrt(2/pi) (a + 0.044715 a^3), as in Hendrycks and Gimpel, "Gaussian error linear units", arXiv:1606.08415.
fn op_geluTanh(a: vec4f) -> vec4f {
  return 0.5 * a * (1.0 + op_tanh(0.7978845608028654 * a * (1.0 + 0.044715 * a * a)));
}
fn op_silu(a: vec4f) -> vec4f { return a * op_sigmoid(a); }
// ln(1 + e^(beta a)) / beta; from beta a = threshold on it is a itself. e^-|z| cannot overflow.
fn op_softplus(a: vec4f, beta: f32, threshold: f32) -> vec4f {
  let z = beta * a;
  let soft = (max(z, vec4f(0)) + op_log1p(exp(-abs(z)))) / beta;
  return select(soft, a, z > vec4f(threshold));
}

// Of two operands.
fn op_add(u: V, v: V) -> V { return u + v; }
fn op_sub(u: V, v: V) -> V { return u - v; }
fn op_mul(u: V, v: V) -> V { return u * v; }
fn op_div(u: V, v: V) -> V { return u / v; }
fn op_maximum(u: V, v: V) -> V { return max(u, v); }
fn op_minimum(u: V, v: V) -> V { return min(u, v); }
//#if T == f32
// WGSL's pow is undefined for negative bases; integral exponents keep the sign that mathematics gives them, and
// anything to the power 0 is 1.
fn op_pow(u: V, v: V) -> V {
  let magnitude = pow(abs(u), v);
  let odd = abs(v - 2.0 * floor(v * 0.5)) == V(1);
  let signed = select(magnitude, -magnitude, (u < V(0)) & odd);
  return select(signed, V(1), v == V(0));
}
//#end
// The gradient u where the ReLU's input v is positive.
fn op_reluGrad(u: V, v: V) -> V { return select(V(0), u, v > V(0)); }
fn op_logicalAnd(u: V, v: V) -> VR { return select(VR(0), VR(1), (u != V(0)) & (v != V(0))); }
fn op_logicalOr(u: V, v: V) -> VR { return select(VR(0), VR(1), (u != V(0)) | (v != V(0))); }
fn op_eq(u: V, v: V) -> VR { return select(VR(0), VR(1), u == v); }
fn op_ne(u: V, v: V) -> VR { return select(VR(0), VR(1), u != v); }
fn op_lt(u: V, v: V) -> VR { return select(VR(0), VR(1), u < v); }
fn op_le(u: V, v: V) -> VR { return select(VR(0), VR(1), u <= v); }
fn op_gt(u: V, v: V) -> VR { return select(VR(0), VR(1), u > v); }
fn op_ge(u: V, v: V) -> VR { return select(VR(0), VR(1), u >= v); }

// Batch normalisation of one channel's elements.
fn op_normalize(a: vec4f, mean: f32, variance: f32, gamma: f32, beta: f32, eps: f32) -> vec4f {
  return (a - mean) * (inverseSqrt(variance + eps) * gamma) + beta;
}
fn op_copy(a: V) -> V { return a; }
