/** The mutual information of two batches of logits and its gradients in float64, straight from the formulas. */

/** Everything the op computes. */
export interface MutualInformationReference {
  readonly mi: number;
  /** [C, C] */
  readonly joint: Float64Array;
  /** [m, C], or the first rows of it. */
  readonly dNatural: Float64Array;
  readonly dAdversarial: Float64Array;
}

/** The reference for logits `[m, C]`, row-major; gradients for the first `gradientRows` rows. */
export function mutualInformationReference(
  natural: ArrayLike<number>,
  adversarial: ArrayLike<number>,
  m: number,
  classes: number,
  symmetrize: boolean,
  gradientRows = m,
): MutualInformationReference {
  const p = softmaxRows(natural, m, classes);
  const q = softmaxRows(adversarial, m, classes);
  const joint = jointDistribution(p, q, m, classes, symmetrize);
  const { mi, logRatio } = information(joint, classes);
  const dNatural = new Float64Array(gradientRows * classes);
  const dAdversarial = new Float64Array(gradientRows * classes);
  for (let i = 0; i < gradientRows; i++) {
    const [own, other] = [p.subarray(i * classes, (i + 1) * classes), q.subarray(i * classes, (i + 1) * classes)];
    const [h, k] = [new Float64Array(classes), new Float64Array(classes)];
    let mean = 0;
    own.forEach((weight, a) => {
      const row = logRatio.subarray(a * classes, (a + 1) * classes);
      let sum = 0;
      for (let b = 0; b < classes; b++) {
        const value = row[b] ?? 0;
        sum += (other[b] ?? 0) * value;
        k[b] = (k[b] ?? 0) + weight * value;
      }
      h[a] = sum;
      mean += weight * sum;
    });
    for (let a = 0; a < classes; a++) {
      dNatural[i * classes + a] = ((own[a] ?? 0) * ((h[a] ?? 0) - mean)) / m;
      dAdversarial[i * classes + a] = ((other[a] ?? 0) * ((k[a] ?? 0) - mean)) / m;
    }
  }
  return { mi, joint, dNatural, dAdversarial };
}

function softmaxRows(logits: ArrayLike<number>, m: number, classes: number): Float64Array {
  const result = new Float64Array(m * classes);
  for (let i = 0; i < m; i++) {
    const row = Array.from({ length: classes }, (_, k) => logits[i * classes + k] ?? NaN);
    const top = Math.max(...row);
    const e = row.map((z) => Math.exp(z - top));
    const total = e.reduce((sum, value) => sum + value, 0);
    result.set(
      e.map((value) => value / total),
      i * classes,
    );
  }
  return result;
}

function jointDistribution(
  p: Float64Array,
  q: Float64Array,
  m: number,
  classes: number,
  symmetrize: boolean,
): Float64Array {
  const joint = new Float64Array(classes * classes);
  for (let i = 0; i < m; i++) {
    const other = q.subarray(i * classes, (i + 1) * classes);
    for (let a = 0; a < classes; a++) {
      const weight = (p[i * classes + a] ?? 0) / m;
      const row = joint.subarray(a * classes, (a + 1) * classes);
      for (let b = 0; b < classes; b++) row[b] = (row[b] ?? 0) + weight * (other[b] ?? 0);
    }
  }
  if (!symmetrize) return joint;
  return joint.map((value, at) => {
    const [a, b] = [Math.floor(at / classes), at % classes];
    return 0.5 * (value + (joint[b * classes + a] ?? 0));
  });
}

function information(joint: Float64Array, classes: number): { mi: number; logRatio: Float64Array } {
  const [rows, columns] = [new Float64Array(classes), new Float64Array(classes)];
  joint.forEach((value, at) => {
    const [a, b] = [Math.floor(at / classes), at % classes];
    rows[a] = (rows[a] ?? 0) + value;
    columns[b] = (columns[b] ?? 0) + value;
  });
  let mi = 0;
  const logRatio = joint.map((value, at) => {
    if (value < 1e-30) return 0;
    const [a, b] = [Math.floor(at / classes), at % classes];
    const ratio = Math.log(value) - Math.log(rows[a] ?? 0) - Math.log(columns[b] ?? 0);
    mi += value * ratio;
    return ratio;
  });
  return { mi, logRatio };
}
