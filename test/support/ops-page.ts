import { registeredOps, type Device, type RegisteredOp } from '../../engine/index.js';
import { checksOfComposition } from './compositions/composition.js';
import { compositions } from './compositions/index.js';
import { arraysOf, checksOf, derivativeErrors, forwardError, uploadAll, type RecordCheck } from './records.js';

/** What a device showed of one op. */
export interface OpFigures {
  readonly name: string;
  /** Files in shaders/ that the forward pass ran. */
  readonly kernels: readonly string[];
  /** The worst errors over all samples and dtypes, as parts of the expected norm; null where nothing of the kind was run. */
  readonly forward: number | null;
  readonly first: number | null;
  readonly second: number | null;
}

/** An op or composition, what its row says, and what it is measured by. */
export interface Entry {
  readonly name: string;
  /** The columns that follow from the record alone. */
  readonly cells: readonly string[];
  readonly differentiable: boolean;
  readonly checks: readonly RecordCheck[];
}

/** The ops of the first table. */
export function opEntries(): Entry[] {
  return [...registeredOps.values()].map((op) => entry(op, checksOf(op)));
}

/** The functions of the second table. */
export function compositionEntries(): Entry[] {
  return compositions.map((composition) => {
    const checks = checksOfComposition(composition);
    const { name, summary, differentiable = true } = composition;
    return entry({ name, summary, differentiable, dtypes: [] }, checks);
  });
}

type Described = Pick<RegisteredOp, 'name' | 'summary' | 'differentiable' | 'dtypes'>;

function entry({ name, summary, dtypes, differentiable }: Described, checks: readonly RecordCheck[]): Entry {
  const takes = dtypes.length > 0 ? [dtypes.join(' ')] : [];
  const cells = [`\`${name}\``, summary.replace(/\|/g, '\\|'), ...takes, differentiable ? 'all' : 'none'];
  return { name, cells, differentiable, checks };
}

/** Runs every check of every op and composition. */
export async function measureOps(device: Device): Promise<OpFigures[]> {
  const figures: OpFigures[] = [];
  for (const each of [...opEntries(), ...compositionEntries()]) figures.push(await measure(device, each));
  return figures;
}

async function measure(device: Device, { name, differentiable, checks }: Entry): Promise<OpFigures> {
  const kernels = new Set<string>();
  const errors = { forward: 0, first: 0, second: 0 };
  const dispatch = device.dispatch.bind(device);
  const possible = checks.filter(({ half }) => !half || device.caps.f16);
  for (const check of possible) {
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
      if (!differentiable) return;
      const { first, second } = await derivativeErrors(device, check, arrays);
      errors.first = Math.max(errors.first, first);
      errors.second = Math.max(errors.second, second);
    });
  }
  const ran = possible.length > 0;
  return {
    name,
    kernels: [...kernels].sort(),
    forward: ran ? errors.forward : null,
    first: ran && differentiable ? errors.first : null,
    second: ran && differentiable ? errors.second : null,
  };
}

type ByAdapter = Readonly<Record<string, readonly OpFigures[]>>;

/** docs/ops.md, from the figures of each adapter. */
export function opsPage(byAdapter: ByAdapter): string {
  const ops = table(['op', 'computes', 'dtypes', 'derivatives'], opEntries(), byAdapter);
  const made = table(['function', 'computes', 'derivatives'], compositionEntries(), byAdapter);
  return [INTRODUCTION, ...ops, '', MADE, ...made, ''].join('\n');
}

function table(titles: readonly string[], entries: readonly Entry[], byAdapter: ByAdapter): string[] {
  const adapters = Object.keys(byAdapter);
  const columns = adapters.flatMap((adapter) => [`${adapter}: value`, 'first', 'second']);
  const header = [...titles, 'kernels', ...columns];
  const rows = entries.map(({ name, cells }) => {
    const found = adapters.map((adapter) => byAdapter[adapter]?.find((figures) => figures.name === name));
    const kernels = found[0]?.kernels.map((kernel) => `[${kernel}](../shaders/${kernel}.wgsl)`).join(', ') ?? '';
    const errors = found.flatMap((figures) => [figures?.forward, figures?.first, figures?.second].map(errorCell));
    return [...cells, kernels || '-', ...errors];
  });
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function errorCell(error: number | null | undefined): string {
  if (error === null || error === undefined) return '-';
  return error === 0 ? '0' : error.toExponential(1);
}

const INTRODUCTION = `# Operations

Every operation that is declared by a record in \`engine/ops/\`, in the order of declaration, and below them the functions that are
made of them. The page is written by \`npm run docs:ops\`; a test fails where an operation is missing from it, has no definition in
\`test/support/references/\`, or no samples, and where a function of the engine is neither an operation nor among those below.

*derivatives*: all orders, or none. *kernels*: the files that the forward pass ran. The last columns are the worst errors on each
adapter over the record's samples, as parts of the norm of what the float64 definition gives (a norm that counts as at least 0.05): of the
values, of first derivatives (by the fused rule, where there is one, and by the differentiable rule), and of second derivatives
(mixed ones included), both against central differences of the definition. \`toFloat\` rounds to f16, which the embedded SwiftShader
lacks.

*dtypes*: what has kernels of its own. Every operation on floats takes f16 too, where the adapter has it: it then computes in f32 and
rounds its result.
`;

const MADE = `## Made of these

Their definitions are in \`test/support/compositions/\`.
`;
