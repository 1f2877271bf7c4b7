import type { Device } from './device.js';
import type { DispatchTrace } from './timestamps.js';

/** What one kernel, or one label of it, cost in all. */
export interface KernelCost {
  /** The dispatches' label, and the kernel's file where that has another name. */
  readonly name: string;
  readonly dispatches: number;
  /** On the GPU; undefined where the device has no `timestamp-query`. */
  readonly milliseconds: number | undefined;
  /** Bytes of all ranges that were bound: what has to be moved at least once if all of each is used. */
  readonly bytes: number;
  /** Floating-point operations, of the kernels that say (matrix products and convolutions). */
  readonly flops: number;
}

/** What {@link profile} gives. */
export interface Profile<T> {
  readonly result: T;
  /** From the call to the end of all its work on the GPU. */
  readonly milliseconds: number;
  /** The most expensive first. */
  readonly kernels: readonly KernelCost[];
  /** Every dispatch in order. */
  readonly dispatches: readonly DispatchTrace[];
  /** The kernels as a table in plain text. */
  toTable(): string;
  /** JSON for chrome://tracing and Perfetto. */
  toChromeTrace(): string;
}

/**
 * Runs `fn` and measures each dispatch by timestamps, in a compute pass of its own; where the device has no `timestamp-query`,
 * dispatches and bytes are counted and times are undefined. Passes of their own cost a little: compare dispatches with each
 * other, and whole steps by `milliseconds` without a profile.
 */
export async function profile<T>(device: Device, fn: () => T | Promise<T>): Promise<Profile<T>> {
  await device.sync();
  const started = performance.now();
  const stop = device.trace();
  let result: T;
  try {
    result = await fn();
    await device.sync();
  } catch (error) {
    // Where the device was lost, this fails too; what failed first is what is told.
    await stop().catch(() => undefined);
    throw error;
  }
  const milliseconds = performance.now() - started;
  const dispatches = await stop();
  const kernels = costsOf(dispatches);
  return {
    result,
    milliseconds,
    kernels,
    dispatches,
    toTable: () => tableOf(kernels),
    toChromeTrace: () => chromeTraceOf(dispatches),
  };
}

function costsOf(dispatches: readonly DispatchTrace[]): KernelCost[] {
  const costs = new Map<string, KernelCost>();
  for (const { label, kernel, milliseconds, bytes, flops } of dispatches) {
    const name = label === kernel ? kernel : `${label} (${kernel})`;
    const before = costs.get(name);
    costs.set(name, {
      name,
      dispatches: (before?.dispatches ?? 0) + 1,
      milliseconds: milliseconds === undefined ? undefined : (before?.milliseconds ?? 0) + milliseconds,
      bytes: (before?.bytes ?? 0) + bytes,
      flops: (before?.flops ?? 0) + flops,
    });
  }
  return [...costs.values()].sort((a, b) => (b.milliseconds ?? 0) - (a.milliseconds ?? 0) || b.bytes - a.bytes);
}

function tableOf(kernels: readonly KernelCost[]): string {
  const rows = kernels.map(({ name, dispatches, milliseconds, bytes, flops }) => [
    name,
    String(dispatches),
    milliseconds?.toFixed(3) ?? '-',
    (bytes / 1e6).toFixed(2),
    milliseconds ? (bytes / 1e6 / milliseconds).toFixed(2) : '-',
    milliseconds && flops ? (flops / 1e6 / milliseconds).toFixed(2) : '-',
  ]);
  const table = [['kernel', 'dispatches', 'ms', 'MB', 'GB/s', 'GFLOP/s'], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table
    .map((row) =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    )
    .join('\n');
}

function chromeTraceOf(dispatches: readonly DispatchTrace[]): string {
  const traceEvents = dispatches.map(({ label, kernel, start, milliseconds, bytes, flops, workgroups }, index) => ({
    name: label,
    cat: 'gpu',
    ph: 'X',
    pid: 0,
    tid: 0,
    // In microseconds; without timestamps the order is all there is.
    ts: start === undefined ? index : start * 1000,
    dur: milliseconds === undefined ? 1 : milliseconds * 1000,
    args: { kernel, bytes, flops, workgroups },
  }));
  return JSON.stringify({ traceEvents, displayTimeUnit: 'ms' });
}
