import findSource from '../shaders/find_non_finite.wgsl';
import type { Device } from './device.js';
import { isFloat } from './dtype.js';
import { AnomalyError } from './errors.js';
import { defineKernel, strideWorkgroups } from './kernel.js';
import { full } from './ops/create.js';
import { formatShape, type Shape } from './shape.js';
import { keep, type Tensor } from './tensor.js';

const findKernel = defineKernel({ name: 'find_non_finite', source: findSource, bindings: ['read', 'write'] });

/** Results that one buffer of findings has room for. */
const SLOTS = 4096;
const NONE = 0xffff_ffff;

interface Inspection {
  readonly op: string;
  readonly shape: Shape;
  readonly where: string;
}

/**
 * Runs `fn` and looks at everything that operations compute meanwhile, forward and backward, for infinities and NaNs, by their
 * bits. It slows `fn` down by one dispatch for each result and reads back once, at the end.
 *
 * @returns what `fn` returns
 * @throws AnomalyError naming the first operation with such a result, the element, and the caller's line; where `fn` itself
 * throws, that error, unless there is an anomaly to explain it
 */
export async function detectAnomaly<T>(device: Device, fn: () => T | Promise<T>): Promise<T> {
  const inspections: Inspection[] = [];
  const findings: Tensor[] = [];
  const before = device.inspector;
  const inspect = (op: string, results: readonly (Tensor | undefined)[]): void => {
    for (const result of results) {
      if (!result || !isFloat(result.dtype) || result.size === 0) continue;
      const slot = inspections.length % SLOTS;
      if (slot === 0) findings.push(newFindings(device));
      inspections.push({ op, shape: result.shape, where: callerLine() });
      const found = findings.at(-1);
      if (!found) return;
      device.dispatch({
        kernel: findKernel,
        constants: { HALF: result.dtype === 'f16' },
        buffers: [result.range, found.range],
        uniforms: [result.size, slot],
        workgroups: strideWorkgroups(result.size, device.caps),
      });
    }
  };
  device.inspector = inspect;
  try {
    let outcome: { result: T } | { thrown: unknown };
    try {
      outcome = { result: await fn() };
    } catch (thrown) {
      outcome = { thrown };
    }
    device.inspector = before;
    await report(inspections, findings);
    if ('thrown' in outcome) throw outcome.thrown;
    return outcome.result;
  } finally {
    device.inspector = before;
    for (const found of findings) found.dispose();
  }
}

function newFindings(device: Device): Tensor {
  const inspector = device.inspector;
  device.inspector = undefined;
  const found = keep(full([SLOTS], NONE, { device, dtype: 'u32' }));
  device.inspector = inspector;
  return found;
}

async function report(inspections: readonly Inspection[], findings: readonly Tensor[]): Promise<void> {
  for (const [page, found] of findings.entries()) {
    const firsts = await found.data();
    const slot = firsts.findIndex((first) => first !== NONE);
    const inspection = inspections[page * SLOTS + slot];
    if (slot < 0 || !inspection) continue;
    throw new AnomalyError(
      `detectAnomaly: ${inspection.op} gave an infinity or NaN at element ${firsts[slot]} of ${formatShape(inspection.shape)}; ` +
        `called at ${inspection.where}`,
    );
  }
}

/** The engine's folder, or the file that everything was bundled into. */
const OWN = (import.meta.url as string | undefined)?.replace(/(?<=\/)anomaly\.[jt]s(\?.*)?$/, '');

const UNKNOWN = 'an unknown line';

/** The innermost line of the stack that is not the engine's. */
function callerLine(): string {
  // Bundles that are no modules, such as Vite's workers, do not know where they are.
  if (OWN === undefined) return UNKNOWN;
  const frames = (new Error('where').stack ?? '').split('\n').slice(1);
  const own = OWN.replace(/^file:\/\//, '');
  const caller = frames.find((frame) => !frame.includes(OWN) && !frame.includes(own) && !frame.includes('node:'));
  // Development servers add queries to names.
  const line = caller?.replace(/^\s*at /, '').replace(/\?[^\s)]*?(?=:\d+:\d+)/, '');
  return line?.trim() ?? UNKNOWN;
}
