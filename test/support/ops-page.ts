import { registeredOps, type Device, type RegisteredOp } from '../../engine/index.js';
import { arraysOf, checksOf, derivativeErrors, forwardError, uploadAll } from './records.js';

/** What a device showed of one op. */
export interface OpFigures {
  readonly name: string;
  /** Files in shaders/ that forward and backward passes ran. */
  readonly kernels: readonly string[];
  /** The worst errors over all samples and dtypes, as parts of the expected norm; null where there is no derivative. */
  readonly forward: number;
  readonly first: number | null;
  readonly second: number | null;
}

/** Runs every sample of every op. */
export async function measureOps(device: Device): Promise<OpFigures[]> {
  const figures: OpFigures[] = [];
  for (const op of registeredOps.values()) figures.push(await measure(device, op));
  return figures;
}

async function measure(device: Device, op: RegisteredOp): Promise<OpFigures> {
  const kernels = new Set<string>();
  const errors = { forward: 0, first: 0, second: 0 };
  const dispatch = device.dispatch.bind(device);
  for (const check of checksOf(op)) {
    const arrays = arraysOf(check);
    await device.scope(async () => {
      const inputs = uploadAll(device, check, arrays);
      device.dispatch = (each) => {
        kernels.add(each.kernel.name);
        dispatch(each);
      };
      check.call(inputs);
      device.dispatch = dispatch;
      errors.forward = Math.max(errors.forward, await forwardError(check, inputs, arrays));
      if (!op.differentiable) return;
      const { first, second } = await derivativeErrors(device, check, arrays);
      errors.first = Math.max(errors.first, first);
      errors.second = Math.max(errors.second, second);
    });
  }
  const { differentiable } = op;
  return {
    name: op.name,
    kernels: [...kernels].sort(),
    forward: errors.forward,
    first: differentiable ? errors.first : null,
    second: differentiable ? errors.second : null,
  };
}

/** The columns of docs/ops.md that follow from the records alone. */
export function recordCells({ name, summary, dtypes, differentiable }: RegisteredOp): string[] {
  return [`\`${name}\``, summary.replace(/\|/g, '\\|'), dtypes.join(' '), differentiable ? 'all' : 'none'];
}

/** docs/ops.md, from the figures of each adapter. */
export function opsPage(byAdapter: Readonly<Record<string, readonly OpFigures[]>>): string {
  const adapters = Object.keys(byAdapter);
  const columns = adapters.flatMap((adapter) => [`${adapter}: value`, 'first', 'second']);
  const header = ['op', 'computes', 'dtypes', 'derivatives', 'kernels', ...columns];
  const rows = [...registeredOps.values()].map((op) => {
    const found = adapters.map((adapter) => byAdapter[adapter]?.find(({ name }) => name === op.name));
    const kernels = found[0]?.kernels.map((name) => `[${name}](../shaders/${name}.wgsl)`).join(', ') ?? '';
    const errors = found.flatMap((figures) => [figures?.forward, figures?.first, figures?.second].map(errorCell));
    return [...recordCells(op), kernels || '-', ...errors];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [INTRODUCTION, line(header), line(header.map(() => '---')), ...rows.map(line), ''].join('\n');
}

function errorCell(error: number | null | undefined): string {
  if (error === null || error === undefined) return '-';
  return error === 0 ? '0' : error.toExponential(1);
}

const INTRODUCTION = `# Operations

Every operation that is declared by a record in \`engine/ops/\`, in the order of declaration; functions composed of these (\`mseLoss\`,
\`layerNorm\`, ...) are not listed. The page is written by \`npm run docs:ops\`; a test fails where an operation is missing from
it, has no definition in \`test/support/references/\`, or no samples.

*derivatives*: all orders, or none. *kernels*: the files that the forward pass ran. The last columns are the worst errors on each
adapter over the record's samples, as parts of the norm of what the float64 definition gives (a norm that counts as at least 0.05): of the
values, of first derivatives (by the fused rule, where there is one, and by the differentiable rule), and of second derivatives
(mixed ones included), both against central differences of the definition.
`;
