import { describe, expect, it } from 'vitest';
import { run } from './run.js';

const row = process.env['BULWARK_ADAPTER'];

describe('bulwark doctor', () => {
  it('says what it computes on, what else there is, and that the kernels are right', async () => {
    const { code, out } = await run(['doctor']);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^adapter +${row} \\(`, 'm'));
    for (const what of ['driver', 'hardware', 'features', 'limit +maxBufferSize', 'faster']) {
      expect(out, what).toMatch(new RegExp(`^${what} +\\S`, 'm'));
    }
    for (const adapter of ['gpu', 'lavapipe', 'swiftshader', 'null'])
      expect(out).toMatch(new RegExp(`^${adapter} +(yes|no) +\\S`, 'm'));
    expect(out).toMatch(/^conv2d 3x3, dW +ok +\d\.\de-\d+ +1\.0e-5$/m);
    expect(out).toMatch(/all \d+ kernels agree with the CPU$/);
  });
});
