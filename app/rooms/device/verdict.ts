import type { KernelCheck } from '../../../engine/index.js';

/** What the self-test found, in a sentence. */
export interface Verdict {
  /** `part` where it ended before its end, and nothing was wrong. */
  readonly kind: 'right' | 'wrong' | 'part';
  readonly text: string;
}

/** The verdict on the checks that were made, out of `count`. */
export function verdictOf(checks: readonly KernelCheck[], count: number): Verdict {
  const [done, failed] = [checks.length, checks.filter(({ passed }) => !passed).length];
  if (failed > 0) {
    return {
      kind: 'wrong',
      text:
        `✗ ${failed} of ${done} kernels ${failed === 1 ? 'is' : 'are'} wrong: what is computed on this adapter is not to be trusted. ` +
        'Update its driver, and report it with what "Copy as JSON" gives.',
    };
  }
  if (done < count)
    return { kind: 'part', text: `The test ended after ${done} of ${count} kernels, all of them right.` };
  return { kind: 'right', text: `✓ All ${done} kernels agree with the processor.` };
}
