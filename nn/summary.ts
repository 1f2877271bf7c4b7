import type { Device } from '../engine/device.js';
import { dryRun } from '../engine/dry-run.js';
import type { DType } from '../engine/dtype.js';
import { formatShape, type Shape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';
import type { Module } from './module.js';

/** One call of a module, without what the modules that it calls do; or a module with parameters that nothing called. */
export interface SummaryRow {
  /** The module's place in the network, such as `layer1.0.conv1`; '' for the network itself. */
  readonly name: string;
  /** The name of its class. */
  readonly type: string;
  /** Shape of its output; undefined where nothing called it. */
  readonly output: Shape | undefined;
  /** Elements of its own parameters, at its first call; 0 at later ones, and where another module has shown them. */
  readonly parameters: number;
  /** Products that convolutions and matrix products add up, as their definitions have them: twice as many floating-point operations. */
  readonly macs: number;
  /** Bytes of what its own operations give and the pass does not free again: what is there for a backward pass to use. */
  readonly activationBytes: number;
}

/** What {@link summary} gives. */
export interface Summary {
  readonly input: Shape;
  /** In the order of the calls; then what was not called. */
  readonly rows: readonly SummaryRow[];
  /** The sums of the rows. */
  readonly parameters: number;
  readonly macs: number;
  readonly activationBytes: number;
  readonly parameterBytes: number;
  /** Of running statistics and other state that is not learned. */
  readonly bufferBytes: number;
}

/** Options of {@link summary}. */
export interface SummaryOptions {
  /** That of the model's parameters unless told. */
  readonly device?: Device;
  /** Of the input; f32 unless told. */
  readonly dtype?: DType;
}

interface Call {
  readonly module: Module;
  readonly results: Tensor[];
  output: Shape | undefined;
  macs: number;
}

/**
 * What a model consists of and costs for an input of this shape, batch included, layer by layer: one forward pass in training mode,
 * where no layers are merged, through virtual memory. Nothing is computed; parameters, statistics, generators and modes stay as they are.
 * Operations that a module calls by itself (the additions of a residual block) count in its own row, so that each column adds up to its
 * total. Multiply-accumulates are the same whatever kernel computes them, and count padding; those of additions, normalisation and
 * activation functions are none.
 *
 * @throws what `forward` throws for an input of this shape; in training, batch norm needs more than one value per channel
 */
export function summary(model: Module, input: Shape, options: SummaryOptions = {}): Summary {
  const { device = model.device, dtype = 'f32' } = options;
  const names = new Map([...model.namedModules()].map(([name, module]) => [module, name]));
  const own = ownParameters(model);
  const rows = callsOf(model, device, () => device.empty(input, dtype, 'input')).map(
    ({ module, output, macs, activationBytes }) => {
      const name = names.get(module) ?? '';
      const parameters = own.get(name) ?? 0;
      own.delete(name);
      return { name, type: module.constructor.name, output, parameters, macs, activationBytes };
    },
  );
  for (const [module, name] of names) {
    const parameters = own.get(name);
    if (parameters === undefined) continue;
    rows.push({ name, type: module.constructor.name, output: undefined, parameters, macs: 0, activationBytes: 0 });
  }
  const sumOf = (column: 'parameters' | 'macs' | 'activationBytes'): number =>
    rows.reduce((sum, row) => sum + row[column], 0);
  const bytesOf = (tensors: readonly Tensor[]): number => tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    input,
    rows,
    parameters: sumOf('parameters'),
    macs: sumOf('macs'),
    activationBytes: sumOf('activationBytes'),
    parameterBytes: bytesOf(model.parameters()),
    bufferBytes: bytesOf(model.buffers()),
  };
}

/** Elements of the parameters that each module itself has, by the module's name; each parameter once. */
function ownParameters(model: Module): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, { size }] of model.namedParameters()) {
    const owner = name.slice(0, Math.max(0, name.lastIndexOf('.')));
    found.set(owner, (found.get(owner) ?? 0) + size);
  }
  return found;
}

/** Every call of a module in one pass, in the order in which they begin. */
function callsOf(
  model: Module,
  device: Device,
  input: () => Tensor,
): (Omit<Call, 'results'> & { activationBytes: number })[] {
  const calls: Call[] = [];
  const open: Call[] = [];
  const around = (module: Module, forward: () => Tensor): Tensor => {
    const call: Call = { module, results: [], output: undefined, macs: 0 };
    calls.push(call);
    open.push(call);
    try {
      const y = forward();
      call.output = y.shape;
      return y;
    } finally {
      open.pop();
    }
  };
  const modules = model.modules();
  const modes = modules.map((module) => module.training);
  const inspector = device.inspector;
  const undo = modules.map((module) => wrapForward(module, around));
  try {
    model.train();
    device.inspector = (_, results, macs) => {
      const call = open.at(-1);
      if (!call) return;
      call.macs += macs;
      call.results.push(...results.filter((result) => result !== undefined));
    };
    return dryRun(device, () => {
      model.forward(input());
      return calls.map(({ results, ...call }) => {
        const kept = results.filter(({ freed }) => !freed);
        return { ...call, activationBytes: kept.reduce((sum, { bytes }) => sum + bytes, 0) };
      });
    });
  } finally {
    device.inspector = inspector;
    for (const each of undo) each();
    for (const [index, module] of modules.entries()) module.training = modes[index] ?? true;
  }
}

/** Has every call of a module's `forward` go through `around`, until the function returned is called. */
function wrapForward(module: Module, around: (module: Module, forward: () => Tensor) => Tensor): () => void {
  const before = Object.getOwnPropertyDescriptor(module, 'forward');
  const forward = module.forward.bind(module);
  const value = (...args: Parameters<typeof forward>): Tensor => around(module, () => forward(...args));
  Object.defineProperty(module, 'forward', { configurable: true, value });
  return () => {
    if (before) Object.defineProperty(module, 'forward', before);
    else Reflect.deleteProperty(module, 'forward');
  };
}

/** A summary as a table in plain text, one line a row, the totals at its foot. */
export function formatSummary(summarised: Summary): string {
  const { input, rows, parameters, macs, activationBytes, parameterBytes, bufferBytes } = summarised;
  const header = ['layer', 'type', 'output', 'parameters', 'MACs', 'activations'];
  const lines = rows.map((row) => [
    row.name === '' ? '(all)' : row.name,
    row.type,
    row.output ? formatShape(row.output) : 'not called',
    figure(row.parameters),
    figure(row.macs),
    row.activationBytes === 0 ? '-' : formatBytes(row.activationBytes),
  ]);
  const total = ['total', '', '', figure(parameters), figure(macs), formatBytes(activationBytes)];
  const widths = header.map((_, column) =>
    Math.max(...[header, ...lines, total].map((line) => line[column]?.length ?? 0)),
  );
  const format = (line: readonly string[]): string =>
    line
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width, 2 * (widths.length - 1)));
  return [
    format(header),
    rule,
    ...lines.map(format),
    rule,
    format(total),
    `input ${formatShape(input)}; parameters ${formatBytes(parameterBytes)}, buffers ${formatBytes(bufferBytes)}, ` +
      `activations ${formatBytes(activationBytes)}; ${figure(2 * macs)} floating-point operations`,
  ].join('\n');
}

function figure(count: number): string {
  return count === 0 ? '-' : count.toLocaleString('en-US');
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power] ?? ''}`;
}
