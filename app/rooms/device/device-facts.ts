import { adapterKey, type Device, type MemoryUsage } from '../../../engine/index.js';
import { version } from '../../../package.json';

/** A limit: what the adapter can, and what bulwark's device has of it. */
export interface LimitFact {
  readonly name: string;
  readonly adapter: number;
  readonly device: number;
}

/** Everything that a bug report wants to know of an adapter. */
export interface DeviceFacts {
  readonly bulwark: string;
  readonly userAgent: string;
  readonly vendor: string;
  readonly architecture: string;
  /** The vendor's own name of the device, where the browser tells. */
  readonly device: string;
  readonly description: string;
  /** Whether it computes on the CPU. */
  readonly software: boolean;
  /** Lanes of a subgroup, least and most; 0 where there are none. */
  readonly subgroups: readonly [number, number];
  readonly f16: boolean;
  readonly precision: Device['precision'];
  /** Optional features of the adapter, and whether bulwark's device has them. */
  readonly features: Readonly<Record<string, boolean>>;
  readonly limits: readonly LimitFact[];
  /** What measured kernels are kept by. */
  readonly variantsKey: string;
}

/** What there is to say of a device and the adapter that it is on. */
export function factsOf(device: Device, adapter: GPUAdapter): DeviceFacts {
  const { caps, gpu, precision } = device;
  const { subgroupMinSize = 0, subgroupMaxSize = 0, device: name = '' } = adapter.info as Partial<GPUAdapterInfo>;
  const has = gpu.features.has('subgroups');
  return {
    ...{ bulwark: version, userAgent: navigator.userAgent },
    ...{ vendor: caps.vendor, architecture: caps.architecture, device: name, description: caps.description },
    ...{ software: caps.software, f16: caps.f16, precision },
    subgroups: has ? [subgroupMinSize, subgroupMaxSize] : [0, 0],
    features: Object.fromEntries([...adapter.features].sort().map((feature) => [feature, gpu.features.has(feature)])),
    limits: limitsOf(adapter.limits, gpu.limits),
    variantsKey: adapterKey(caps),
  };
}

/** Limits are getters of the prototype: only `in` finds them. */
function limitsOf(adapter: GPUSupportedLimits, device: GPUSupportedLimits): LimitFact[] {
  const facts: LimitFact[] = [];
  for (const name in adapter) {
    const [can, has] = [adapter, device].map((limits) => limits[name as keyof GPUSupportedLimits]);
    if (typeof can === 'number' && typeof has === 'number') facts.push({ name, adapter: can, device: has });
  }
  return facts.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What one sees of memory. */
export type MemoryFacts = Pick<MemoryUsage, 'live' | 'pooled' | 'total' | 'peak' | 'tensors'>;
