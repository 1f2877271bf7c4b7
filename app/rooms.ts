import type { ComponentType } from 'preact';

/** A part of the playground, loaded when it is first entered. What has to outlive a visit (a worker, a run) is kept by the room's own module. */
export interface Room {
  /** Its name in the address, after the `#`. */
  readonly id: string;
  readonly title: string;
  /** What one can do there, in a sentence. */
  readonly lead: string;
  readonly load: () => Promise<ComponentType>;
}

/** The rooms, in their order; the first is where one begins. */
export const ROOMS = [
  {
    id: 'attack',
    title: 'Attack',
    lead: 'Change a digit by so little that you still read it, and see who is fooled.',
    load: async () => (await import('./rooms/attack/AttackRoom.js')).AttackRoom,
  },
  {
    id: 'train',
    title: 'Train',
    lead: 'Train a classifier that withstands attacks, here in the page.',
    load: async () => (await import('./rooms/train/TrainRoom.js')).TrainRoom,
  },
  {
    id: 'evaluate',
    title: 'Evaluate',
    lead: 'Measure how accuracy falls as attacks grow, and whether robustness is real.',
    load: async () => (await import('./rooms/evaluate/EvaluateRoom.js')).EvaluateRoom,
  },
  {
    id: 'bench',
    title: 'Bench',
    lead: 'Time kernels and training steps on this adapter, beside other libraries.',
    load: async () => (await import('./rooms/bench/BenchRoom.js')).BenchRoom,
  },
  {
    id: 'device',
    title: 'Device',
    lead: 'What this adapter has and can do, and whether its kernels are right.',
    load: async () => (await import('./rooms/device/DeviceRoom.js')).DeviceRoom,
  },
] as const satisfies readonly [Room, ...Room[]];
