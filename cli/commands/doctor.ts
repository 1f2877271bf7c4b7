import type { Command } from 'commander';
import type { Device } from '../../engine/device.js';
import { NoAdapterError } from '../../engine/errors.js';
import { verifyDevice } from '../../adversarial/verify-device.js';
import type { KernelCheck } from '../../engine/verify/verify.js';
import { ADAPTER_NAMES, type AdapterChoice, type AdapterKind, type AdapterOptions } from '../../node/adapter.js';
import { version } from '../../package.json';
import type { Context, RunCommand } from '../context.js';
import { openDevice } from '../device.js';
import { EXIT } from '../errors.js';
import { addCommonOptions } from '../options.js';
import { formatTable } from '../table.js';

interface Options {
  readonly json?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark doctor
  bulwark doctor --adapter swiftshader --json

Errors of the self-test are the largest difference from float64, as a part of the largest magnitude. Exits with 1 where a
kernel fails or there is no adapter.`;

/** Adds `bulwark doctor`. */
export function addDoctorCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('doctor')
    .description(
      'Say what bulwark computes on here and how to get something faster, and test the kernels against the CPU.',
    )
    .option('--json', 'print everything as JSON')
    .addHelpText('after', EXAMPLES);
  addCommonOptions(command).action((options: Options) => run((context) => doctor(options, context)));
}

/** One adapter that could be chosen, and what came of trying. */
interface AdapterRow {
  readonly adapter: AdapterKind;
  readonly available: boolean;
  /** Its driver, or why there is none. */
  readonly detail: string;
}

/** What there is to say of the adapter in use. */
interface DeviceFacts {
  readonly choice: AdapterChoice;
  readonly vendor: string;
  readonly architecture: string;
  readonly subgroupSize: number;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

interface Findings {
  readonly bulwark: string;
  readonly node: string;
  readonly platform: string;
  readonly adapter?: DeviceFacts;
  /** Why there is no adapter. */
  readonly problem?: string;
  readonly adapters: readonly AdapterRow[];
  readonly checks: readonly KernelCheck[];
  readonly passed: boolean;
}

/** `bulwark doctor`; returns the exit code. */
export async function doctor(options: Options, context: Context): Promise<number> {
  const findings = await examine(options, context);
  context.out(options.json ? JSON.stringify(findings, null, 2) : describe(findings));
  return findings.passed ? EXIT.success : EXIT.failure;
}

async function examine({ adapter, json }: Options, context: Context): Promise<Findings> {
  const facts = { bulwark: version, node: process.version, platform: `${process.platform} ${process.arch}` };
  try {
    const { device, choice } = await openDevice(adapter);
    try {
      if (!json) context.err(`adapter ${choice.kind}: ${choice.driver}; testing the kernels ...`);
      const checks = await verifyDevice(device);
      const passed = checks.every((check) => check.passed);
      return { ...facts, adapter: factsOf(device, choice), adapters: await tryAdapters(), checks, passed };
    } finally {
      device.destroy();
    }
  } catch (error) {
    if (!(error instanceof NoAdapterError)) throw error;
    return { ...facts, problem: error.message, adapters: await tryAdapters(), checks: [], passed: false };
  }
}

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

function factsOf({ gpu, caps }: Device, choice: AdapterChoice): DeviceFacts {
  const { vendor, architecture, subgroupSize } = caps;
  return {
    choice,
    vendor,
    architecture,
    subgroupSize,
    features: [...gpu.features].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, gpu.limits[name]])),
  };
}

/** Tries every adapter that can be asked for. */
async function tryAdapters(): Promise<AdapterRow[]> {
  const rows: AdapterRow[] = [];
  for (const adapter of ADAPTER_NAMES) {
    if (adapter === 'auto') continue;
    try {
      const { device, choice } = await openDevice(adapter);
      device.destroy();
      rows.push({ adapter, available: true, detail: choice.driver });
    } catch (error) {
      const detail = error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
      rows.push({ adapter, available: false, detail });
    }
  }
  return rows;
}

function describe({ bulwark, node, platform, adapter, problem, adapters, checks, passed }: Findings): string {
  const lines = [`bulwark ${bulwark} with Node.js ${node} on ${platform}`, ''];
  if (adapter) lines.push(...describeAdapter(adapter));
  else lines.push(`no adapter: ${problem ?? ''}`);
  lines.push(
    '',
    formatTable([
      ['adapter', 'here', 'driver, or what is missing'],
      ...adapters.map((row) => [row.adapter, row.available ? 'yes' : 'no', row.detail]),
    ]),
  );
  if (checks.length > 0) lines.push('', checkTable(checks), '', verdict(checks, passed));
  return lines.join('\n');
}

function describeAdapter({ choice, vendor, architecture, subgroupSize, features, limits }: DeviceFacts): string[] {
  return [
    `adapter    ${choice.kind} (${choice.reason})`,
    `driver     ${choice.driver}`,
    `hardware   ${[vendor, architecture].filter(Boolean).join(', ') || 'unknown'}`,
    `subgroups  ${subgroupSize > 0 ? `${subgroupSize} lanes` : 'none of a fixed size'}`,
    `features   ${features.join(', ')}`,
    ...Object.entries(limits).map(([name, value]) => `limit      ${name} ${value}`),
    ...(choice.faster === undefined ? [] : [`faster     ${choice.faster}`]),
  ];
}

function checkTable(checks: readonly KernelCheck[]): string {
  return formatTable([
    ['kernel', 'result', 'error', 'allowed'],
    ...checks.map(({ name, passed, error, tolerance, failure }) => [
      name,
      passed ? 'ok' : 'FAILED',
      failure ?? error.toExponential(1),
      tolerance.toExponential(1),
    ]),
  ]);
}

function verdict(checks: readonly KernelCheck[], passed: boolean): string {
  const failed = checks.filter((check) => !check.passed).length;
  return passed ? `all ${checks.length} kernels agree with the CPU` : `${failed} of ${checks.length} kernels FAILED`;
}
