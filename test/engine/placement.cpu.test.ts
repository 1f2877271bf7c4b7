import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeTenants, type Tenant } from '../../engine/placement.js';

const tenant = (size: number, first: number, last: number, ...apart: number[]): Tenant => ({
  size,
  first,
  last,
  apart: new Set(apart),
});

const LIMIT = 1 << 20;

/** Tenants with random sizes, brief lifetimes and long ones, some of which may not be together. */
const anyTenants = fc
  .array(
    fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: -1, max: 30 }), fc.oneof(fc.nat(12), fc.nat(300))),
    { maxLength: 30 },
  )
  .chain((list) =>
    fc
      .array(fc.tuple(fc.nat(Math.max(0, list.length - 1)), fc.nat(Math.max(0, list.length - 1))), { maxLength: 40 })
      .map((pairs) =>
        list.map(([size, first, length], index) => {
          const apart = pairs.flatMap(([a, b]) => (a === b ? [] : a === index ? [b] : b === index ? [a] : []));
          return tenant(16 * size, first, first + length, ...apart);
        }),
      ),
  );

describe('placeTenants', () => {
  it('never puts two that live at once into one place, nor into one arena where they may not be', () => {
    fc.assert(
      fc.property(anyTenants, (tenants) => {
        const { places, arenas } = placeTenants(tenants, LIMIT);
        expect(places).toHaveLength(tenants.length);
        tenants.forEach((a, i) => {
          const own = places[i];
          expect(own && own.offset % 256).toBe(0);
          expect((own?.offset ?? Infinity) + a.size).toBeLessThanOrEqual(arenas[own?.arena ?? -1] ?? 0);
          tenants.forEach((b, j) => {
            const other = places[j];
            if (i >= j || own?.arena !== other?.arena || !own || !other) return;
            expect(a.apart.has(j) || b.apart.has(i)).toBe(false);
            const together = a.first <= b.last && b.first <= a.last;
            const overlap = own.offset < other.offset + b.size && other.offset < own.offset + a.size;
            expect(together && overlap).toBe(false);
          });
        });
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it('gives memory to those that come later', () => {
    // A chain: each is read by the next, so two arenas take it however long it is.
    const chain = Array.from({ length: 9 }, (_, at) => tenant(1024, at, at + 1, ...(at > 0 ? [at - 1] : []), at + 1));
    expect(placeTenants(chain, LIMIT).arenas).toEqual([1024, 1024]);
    expect(placeTenants([tenant(512, 0, 1), tenant(256, 2, 3), tenant(256, 2, 3)], LIMIT).arenas).toEqual([512]);
  });

  it('sees what has lived for long', () => {
    const long = tenant(1024, -1, 1000);
    const brief = Array.from({ length: 20 }, (_, at) => tenant(512, 50 * at, 50 * at + 49));
    expect(placeTenants([long, ...brief], LIMIT).arenas).toEqual([1536]);
  });

  it('opens another arena where one would be too large', () => {
    const { arenas } = placeTenants([tenant(768, 0, 1), tenant(512, 0, 1)], 1024);
    expect(arenas).toEqual([768, 512]);
    expect(placeTenants([], LIMIT)).toEqual({ places: [], arenas: [] });
  });
});
