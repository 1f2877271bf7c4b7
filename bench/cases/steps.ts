import type { Device } from '../../engine/index.js';
import { sizeOf } from '../../engine/shape.js';
import { cnn4, resnet18, type Module } from '../../nn/index.js';
import type { Case } from '../case.js';
import { lazily, uniform } from '../data.js';
import { bulwarkStep } from '../networks/bulwark-step.js';
import { jaxStep } from '../networks/jax-step.js';
import { cnn4Layers, resnet18Layers, type Layer } from '../networks/layers.js';
import { CLASSES, type StepKind, type TrainingStep } from '../networks/step.js';
import { tfjsStep } from '../networks/tfjs-step.js';

/** How wide a network is and how many images it takes at a time. */
export interface StepSize {
  readonly width: number;
  readonly batch: number;
}

/** The steps' sizes. */
export interface StepSizes {
  readonly cnn4: StepSize;
  readonly resnet18: StepSize;
}

interface Network {
  readonly name: string;
  readonly size: StepSize;
  readonly layers: readonly Layer[];
  readonly image: readonly [number, number, number];
  readonly build: (device: Device) => Module;
}

const KINDS: Readonly<Record<StepKind, string>> = {
  plain: 'plain step',
  'pgd-10': 'PGD-10 step',
  'mimae-at': 'PGD-10 MIMAE-AT step',
};

/** The name of a step's case. */
export function stepName(network: string, kind: StepKind): string {
  return `${network}, ${KINDS[kind]}`;
}

/** Training steps of the two networks, from the images to the new weights. */
export function stepCases(device: Device, sizes: StepSizes): Case[] {
  const networks: Network[] = [
    {
      ...{ name: '4-layer CNN', size: sizes.cnn4, layers: cnn4Layers(), image: [1, 28, 28] },
      build: (on) => cnn4({ device: on, width: sizes.cnn4.width, dropout: 0 }),
    },
    {
      ...{ name: 'ResNet-18', size: sizes.resnet18, layers: resnet18Layers(), image: [3, 32, 32] },
      build: (on) => resnet18({ device: on, width: sizes.resnet18.width }),
    },
  ];
  return networks.flatMap((network) => {
    const parameters = lazily(() => initialParameters(device, network));
    return (['plain', 'pgd-10', 'mimae-at'] as const).map((kind) => stepCase(network, kind, parameters));
  });
}

function stepCase(network: Network, kind: StepKind, parameters: () => TrainingStep['parameters']): Case {
  const { batch, width } = network.size;
  const shape = [batch, ...network.image] as const;
  const step = lazily((): TrainingStep => {
    const images = uniform(shape, 1).map((value) => (value + 1) / 2);
    const noise = uniform(shape, 2);
    const start = images.map((value, at) => value + 0.001 * (noise[at] ?? 0));
    const labels = Int32Array.from({ length: batch }, (_, index) => (index * 7) % CLASSES);
    return { kind, layers: network.layers, parameters: parameters(), images, start, shape, labels };
  });
  return {
    name: `${stepName(network.name, kind)} (width ${width}, batch ${batch})`,
    group: 'training step',
    // A pixel whose gradient is near zero steps one way or the other as sums are rounded.
    tolerance: 1e-2,
    bulwark: (device) => bulwarkStep(device, step(), network.build),
    ways: { 'bulwark, eager': (device) => bulwarkStep(device, step(), network.build, { eager: true }) },
    jax: (jax) => jaxStep(jax, step()),
    tfjs: (tf) => tfjsStep(tf, step()),
  };
}

/** Kaiming's uniform distribution for weights, ones and zeros for normalisation, small biases. */
function initialParameters(device: Device, { build }: Network): TrainingStep['parameters'] {
  return device.scope(() => {
    const model = build(device);
    const entries = [...model.namedParameters()].map(([name, { shape }], index) => {
      const bound = Math.sqrt(6 / sizeOf(shape.slice(1)));
      const isScale = shape.length === 1 && name.endsWith('weight');
      const values = isScale
        ? new Float32Array(sizeOf(shape)).fill(1)
        : uniform(shape, 100 + index).map((value) => value * (shape.length > 1 ? bound : 0.01));
      return [name, { shape, values }] as const;
    });
    model.dispose();
    return new Map(entries);
  });
}
