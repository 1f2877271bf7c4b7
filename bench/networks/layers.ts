/** The networks of the training steps as data, so that each library can build them of its own parts. */

/** One layer; parameters go by PyTorch's names, so `conv1` has `conv1.weight`. */
export type Layer =
  | {
      readonly kind: 'conv';
      readonly name: string;
      readonly stride: number;
      readonly padding: number;
      readonly bias: boolean;
    }
  | { readonly kind: 'batchNorm'; readonly name: string }
  | { readonly kind: 'linear'; readonly name: string }
  /** `relu(main(x) + shortcut(x))` */
  | { readonly kind: 'residual'; readonly main: readonly Layer[]; readonly shortcut: readonly Layer[] }
  | { readonly kind: 'relu' | 'maxPool2' | 'flatten' | 'meanOfPixels' };

/** The 4-layer CNN of `nn/models/cnn4.ts`, without its dropout. */
export function cnn4Layers(): Layer[] {
  const conv = (index: number): Layer => ({
    ...{ kind: 'conv', name: `feature_extractor.conv${index}`, stride: 1, padding: 0, bias: true },
  });
  const [relu, pool] = [{ kind: 'relu' }, { kind: 'maxPool2' }] as const;
  const linear = (index: number): Layer => ({ kind: 'linear', name: `classifier.fc${index}` });
  return [
    ...[conv(1), relu, conv(2), pool, relu],
    ...[conv(3), relu, conv(4), pool, relu],
    { kind: 'flatten' },
    ...[linear(1), relu, linear(2), relu, linear(3)],
  ];
}

/** ResNet-18 of `nn/models/resnet.ts`. */
export function resnet18Layers(): Layer[] {
  const conv = (name: string, stride: number, padding: number): Layer => ({
    ...{ kind: 'conv', name, stride, padding, bias: false },
  });
  const block = (name: string, stride: number): Layer => ({
    kind: 'residual',
    main: [
      ...[
        conv(`${name}.conv1`, stride, 1),
        { kind: 'batchNorm', name: `${name}.bn1` } as const,
        { kind: 'relu' } as const,
      ],
      ...[conv(`${name}.conv2`, 1, 1), { kind: 'batchNorm', name: `${name}.bn2` } as const],
    ],
    shortcut:
      stride === 1 ? [] : [conv(`${name}.shortcut.0`, stride, 0), { kind: 'batchNorm', name: `${name}.shortcut.1` }],
  });
  return [
    ...[conv('conv1', 1, 1), { kind: 'batchNorm', name: 'bn1' } as const, { kind: 'relu' } as const],
    ...[1, 2, 3, 4].flatMap((stage) => [block(`layer${stage}.0`, stage === 1 ? 1 : 2), block(`layer${stage}.1`, 1)]),
    ...[{ kind: 'meanOfPixels' } as const, { kind: 'linear', name: 'linear' } as const],
  ];
}
