/**
 * Where the virtual buffers of a plan go: as close together as their lifetimes let them, in as few arenas as WebGPU allows. A dispatch
 * may not read and write the same buffer, not even in different places, so what is read and what is written by one go to different
 * arenas. Greedy by size: the largest buffers first, each at the lowest gap of the arena that grows least.
 */

/** A buffer to be placed. */
export interface Tenant {
  /** In bytes. */
  readonly size: number;
  /** The first and the last command that uses it. */
  readonly first: number;
  readonly last: number;
  /** Indices of those that may not be in the same arena. */
  readonly apart: ReadonlySet<number>;
}

/** Where a tenant is. */
export interface Place {
  readonly arena: number;
  /** In bytes, a multiple of 256. */
  readonly offset: number;
}

/** The places of all tenants, in their order, and the bytes of each arena. */
export interface Placement {
  readonly places: readonly Place[];
  readonly arenas: readonly number[];
}

const ALIGNMENT = 256;

/** Commands in a stretch of time. */
const STRETCH = 64;

interface Resident {
  readonly tenant: Tenant;
  readonly offset: number;
}

interface Arena {
  size: number;
  /** Those that live in each stretch of time: long plans have many tenants, few of which live at once. */
  readonly stretches: Resident[][];
}

/** What to place first: the largest, the largest for the longest, the longest there. */
const ORDERS: readonly ((tenant: Tenant) => number)[] = [
  ({ size }) => size,
  ({ size, first, last }) => size * (last - first + 1),
  ({ first, last }) => last - first,
];

/** Places every tenant; no arena is larger than `limit` bytes, which each tenant is within. */
export function placeTenants(tenants: readonly Tenant[], limit: number): Placement {
  const bytes = ({ arenas }: Placement): number => arenas.reduce((sum, size) => sum + size, 0);
  return ORDERS.map((weight) => placeByWeight(tenants, limit, weight)).reduce((best, each) =>
    bytes(each) < bytes(best) ? each : best,
  );
}

function placeByWeight(tenants: readonly Tenant[], limit: number, weight: (tenant: Tenant) => number): Placement {
  const places: Place[] = [];
  const arenas: Arena[] = [];
  const order = tenants.map((tenant, index) => ({ tenant, index })).sort((a, b) => weight(b.tenant) - weight(a.tenant));
  for (const { tenant, index } of order) {
    const barred = new Set([...tenant.apart].map((other) => places[other]?.arena));
    let best: { arena: number; offset: number; growth: number } | undefined;
    for (const [number, arena] of arenas.entries()) {
      if (barred.has(number)) continue;
      const offset = lowestGap(arena, tenant);
      const growth = Math.max(0, offset + tenant.size - arena.size);
      if (offset + tenant.size <= limit && (!best || growth < best.growth)) best = { arena: number, offset, growth };
      if (best?.growth === 0) break;
    }
    const { arena: number, offset } = best ?? { arena: arenas.length, offset: 0 };
    const arena = (arenas[number] ??= { size: 0, stretches: [] });
    for (let at = stretchOf(tenant.first); at <= stretchOf(tenant.last); at++) {
      (arena.stretches[at] ??= []).push({ tenant, offset });
    }
    arena.size = Math.max(arena.size, offset + tenant.size);
    places[index] = { arena: number, offset };
  }
  return { places, arenas: arenas.map(({ size }) => size) };
}

/** The lowest offset at which nothing that lives at the same time is in the way. */
function lowestGap(arena: Arena, { size, first, last }: Tenant): number {
  const inTheWay = residentsDuring(arena, first, last).sort((a, b) => a.offset - b.offset);
  let offset = 0;
  for (const other of inTheWay) {
    if (offset + size <= other.offset) break;
    const end = other.offset + other.tenant.size;
    offset = Math.max(offset, Math.ceil(end / ALIGNMENT) * ALIGNMENT);
  }
  return offset;
}

/** Those that live at some time from `first` to `last`, once each. */
function residentsDuring({ stretches }: Arena, first: number, last: number): Resident[] {
  const found: Resident[] = [];
  for (let at = stretchOf(first); at <= stretchOf(last); at++) {
    for (const resident of stretches[at] ?? []) {
      const { tenant } = resident;
      const seen = at > Math.max(stretchOf(tenant.first), stretchOf(first));
      if (!seen && tenant.first <= last && first <= tenant.last) found.push(resident);
    }
  }
  return found;
}

/** The stretch that a command is in; what is there before the first command counts to it. */
function stretchOf(command: number): number {
  return Math.max(0, Math.floor(command / STRETCH));
}
