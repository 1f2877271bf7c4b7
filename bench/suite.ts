/** The micro-benchmark suite: what it measures, on which sizes, and how one runs it. */
import type { Device } from '../engine/index.js';
import type { Case, Jax, Tfjs } from './case.js';
import { convCases, type ConvShape } from './cases/conv.js';
import { matmulCases } from './cases/matmul.js';
import { memoryCases } from './cases/memory.js';
import { mutualInformationCases } from './cases/mutual-information.js';
import { stepCases } from './cases/steps.js';
import type { Contender } from './contender.js';
import { bulwarkContender } from './engines/bulwark.js';
import { jaxContender } from './engines/jax.js';
import { tfjsContender } from './engines/tfjs.js';
import { measure, type Measurement } from './measure.js';
import { HEADLINE_CONV } from './names.js';

/** The libraries to compare with; those that are missing are left out. */
export interface Peers {
  readonly jax?: Jax | undefined;
  readonly tfjs?: Tfjs | undefined;
}

/** Convolutions of ResNet-18 on 32 x 32 images, `n` of them, and of the 4-layer CNN on MNIST's. */
function convShapes(resnet: number, cnn: number): ConvShape[] {
  const same = { kernel: 3, stride: 1, padding: 1 };
  const valid = { n: cnn, kernel: 3, stride: 1, padding: 0 };
  const shape = (name: string, of: Omit<ConvShape, 'name'>): ConvShape => ({ name, ...of });
  return [
    shape(HEADLINE_CONV, { ...same, n: 16, c: 64, size: 16, k: 64 }),
    shape('ResNet-18 stem, C3 32x32 K64', { ...same, n: resnet, c: 3, size: 32, k: 64 }),
    shape('ResNet-18 layer 1, C64 32x32 K64', { ...same, n: resnet, c: 64, size: 32, k: 64 }),
    shape('ResNet-18 layer 2, C128 16x16 K128', { ...same, n: resnet, c: 128, size: 16, k: 128 }),
    shape('ResNet-18 layer 3, C256 8x8 K256', { ...same, n: resnet, c: 256, size: 8, k: 256 }),
    shape('ResNet-18 layer 4, C512 4x4 K512', { ...same, n: resnet, c: 512, size: 4, k: 512 }),
    shape('ResNet-18 down 2, C64 32x32 K128, stride 2', { ...same, n: resnet, c: 64, size: 32, k: 128, stride: 2 }),
    shape('ResNet-18 shortcut 2, 1x1 C64 32x32 K128, stride 2', {
      ...{ n: resnet, c: 64, size: 32, k: 128, kernel: 1, stride: 2, padding: 0 },
    }),
    shape('4-layer CNN, C1 28x28 K32', { ...valid, c: 1, size: 28, k: 32 }),
    shape('4-layer CNN, C32 26x26 K32', { ...valid, c: 32, size: 26, k: 32 }),
    shape('4-layer CNN, C32 12x12 K64', { ...valid, c: 32, size: 12, k: 64 }),
    shape('4-layer CNN, C64 10x10 K64', { ...valid, c: 64, size: 10, k: 64 }),
  ];
}

/** All cases, at sizes that suit the device: software adapters get small batches and narrow networks. */
export function suiteFor(device: Device): Case[] {
  const { software } = device.caps;
  return [
    ...matmulCases(software ? [512, 1024, 2048] : [512, 1024, 2048, 4096]),
    ...convCases(software ? convShapes(4, 32) : convShapes(128, 128)),
    ...memoryCases({
      elements: software ? 2 ** 20 : 2 ** 24,
      images: software ? [16, 64, 16] : [128, 64, 32],
      logits: software ? [1024, 100] : [16384, 1000],
    }),
    ...mutualInformationCases(128, [10, 100, 1000]),
    ...stepCases(
      device,
      software
        ? { cnn4: { width: 1, batch: 32 }, resnet18: { width: 0.25, batch: 4 } }
        : { cnn4: { width: 1, batch: 128 }, resnet18: { width: 1, batch: 128 } },
    ),
  ];
}

/** Measures a case with everyone who can do it, bulwark first. */
export async function runCase(of: Case, device: Device, { jax, tfjs }: Peers, rounds: number): Promise<Measurement> {
  const contenders: Contender[] = [];
  try {
    contenders.push(bulwarkContender('bulwark', device, of.bulwark(device)));
    for (const [name, way] of Object.entries(of.ways ?? {})) {
      contenders.push(bulwarkContender(name as Contender['name'], device, way(device)));
    }
    if (jax && of.jax) contenders.push(jaxContender(jax, of.jax(jax)));
    if (tfjs && of.tfjs) contenders.push(tfjsContender(tfjs, of.tfjs(tfjs)));
    return await measure(of, contenders, rounds);
  } finally {
    for (const contender of contenders) contender.dispose();
    device.emptyCache();
  }
}
