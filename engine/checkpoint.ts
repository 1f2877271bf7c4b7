import { capturedBy, enableGrad, gradSince, isRecording, record } from './autograd.js';
import { ArgumentError } from './errors.js';
import { rewind, watchDraws, type Generator, type GeneratorState } from './random.js';
import { latestTensorId, type Tensor } from './tensor.js';

/**
 * `fn(...inputs)` without keeping what it computes on the way: the backward pass runs `fn` again (Chen, Xu, Zhang and Guestrin,
 * "Training deep nets with sublinear memory cost", 2016). Values and gradients are those of `fn` itself, bit for bit: random
 * masks are drawn again from where the generators stood. Tensors that `fn` captures get their gradients too.
 *
 * `fn` has to be synchronous and to compute the same both times; state that it changes in passing (the running statistics of
 * batch norm in training) changes twice.
 *
 * @throws ArgumentError for no inputs
 */
export function checkpoint(fn: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]): Tensor {
  const [first] = inputs;
  if (!first) throw new ArgumentError('checkpoint: no inputs; expected at least one tensor');
  const { device } = first;
  const outer = latestTensorId();
  const found = device.scope(() => {
    const stand = inputs.map(standIn);
    const watch = device.perRun(watchDraws);
    let draws: () => ReadonlyMap<Generator, GeneratorState>;
    let result: Tensor;
    try {
      result = fn(...stand);
    } finally {
      draws = device.perRun(() => watch()());
    }
    return { output: result.detach(), captured: capturedBy(result, outer), draws };
  });
  const { output, draws } = found;
  const all = [...inputs, ...found.captured];
  if (!isRecording(device, all)) return output;
  record(
    {
      name: 'checkpoint',
      backward: ({ grads: [gradOutput], needs, inputs: [...given] }) => {
        if (!gradOutput) return [];
        const createGraph = device.gradEnabled;
        const before = latestTensorId();
        const restore = device.perRun(() => rewind(draws()));
        let again: Tensor;
        try {
          again = enableGrad(device, () => fn(...given.slice(0, inputs.length)));
        } finally {
          device.perRun(() => {
            restore()();
          });
        }
        const wanted = given.filter((_, index) => needs[index]);
        // No further back than the inputs: what lies before them is the business of the pass that this is a part of.
        const gradients = gradSince(before, again, wanted, { gradOutput, createGraph, allowUnused: true });
        // A tensor given twice, or both given and captured, has one gradient.
        return given.map((tensor, index) =>
          given.indexOf(tensor) === index ? gradients[wanted.indexOf(tensor)] : undefined,
        );
      },
    },
    all,
    [output],
    undefined,
  );
  return output;
}

/** A tensor to record with in place of an input, so that what is captured can be told from what is given. */
function standIn(input: Tensor): Tensor {
  const stand = input.detach();
  return input.tracksGrad ? stand.requireGrad() : stand;
}
