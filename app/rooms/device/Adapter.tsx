import { formatBytes } from './bytes.js';
import type { DeviceFacts, MemoryFacts } from './device-facts.js';

/** What the adapter is, and what bulwark does with it. */
export function Adapter({ facts, memory }: { readonly facts: DeviceFacts; readonly memory: MemoryFacts | undefined }) {
  const { vendor, architecture, device, description, software, subgroups, f16, precision } = facts;
  const rows: readonly (readonly [string, string])[] = [
    ['Vendor', vendor || 'not told'],
    ['Architecture', architecture || 'not told'],
    ...(device === '' ? [] : [['Device', device] as const]),
    ['Description', description || 'not told: browsers hide it unless they are made to tell'],
    ['Computes on', software ? 'the processor (a software adapter): everything works, slowly' : 'a graphics processor'],
    ['Subgroups', describeSubgroups(subgroups)],
    ['Half precision', f16 ? 'tensors can be f16' : 'none: tensors are f32'],
    [
      'Rounding',
      precision === 'fast'
        ? 'fast: Winograd convolutions, which cost two or three bits, are allowed'
        : 'strict: that of the plain sums',
    ],
    [
      'Memory of this room',
      memory
        ? `${formatBytes(memory.live)} in ${memory.tensors} tensors, ${formatBytes(memory.pooled)} kept for reuse, at most ${formatBytes(memory.peak)} so far`
        : '',
    ],
  ];
  return (
    <section class="panel" aria-labelledby="adapter">
      <h2 id="adapter">Adapter</h2>
      <dl class="facts">
        {rows.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function describeSubgroups([least, most]: DeviceFacts['subgroups']): string {
  if (most === 0) return 'none';
  return least === most
    ? `of ${least} lanes`
    : `of ${least} to ${most} lanes: used where the number is fixed, so not here`;
}
