import source from '../shaders/weight_perturbation.wgsl';
import { float } from '../engine/dtype.js';
import { ArgumentError, ShapeError } from '../engine/errors.js';
import { defineKernel, foldWorkgroups, strideWorkgroups } from '../engine/kernel.js';
import { formatShape, sameShape } from '../engine/shape.js';
import { keep, type Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';

const squaresKernel = defineKernel({ name: 'weight_perturbation', source, bindings: ['read', 'read', 'write'] });
const addKernel = defineKernel({ name: 'weight_perturbation', source, bindings: ['write', 'read', 'read'] });

/** Workgroups that a tensor's sums of squares are divided among at most. */
const MOST_WORKGROUPS = { software: 8, gpu: 64 };

/** The published code scales the move d = 0.01 g of an ascent step by 1 / (|d| + 1e-20); this is that for g itself. */
const EPS = 1e-20 / 0.01;

/** Options of {@link WeightPerturbation}. */
export interface WeightPerturbationOptions {
  /** Length of a tensor's move as a share of its norm, a finite number from 0 up; 0.01 unless told. (The publication: 0.005 for TRADES.) */
  readonly gamma?: number;
}

/**
 * Adversarial weight perturbation: Wu, Xia and Wang, "Adversarial weight perturbation helps robust generalization", NeurIPS 2020, as the
 * published code has it. Each weight w of two axes or more moves along the gradient g of the training loss,
 *
 *     w <- w + gamma ||w|| g / ||g||
 *
 * and back once the gradients of the step are taken there. Biases, and the scales of norms, stay. `adversarialStep` does it where it is
 * given one; in captured functions too.
 */
export class WeightPerturbation {
  readonly gamma: number;
  /** What moves: the parameters to learn whose name says weight, and that have more than one axis. */
  readonly parameters: readonly Tensor[];
  readonly #names: readonly string[];
  /** The weights as they were, while they are moved. */
  #before: readonly Tensor[] | undefined;

  /** @throws ArgumentError for a gamma that is no finite number from 0 up, or a model with nothing to move */
  constructor(model: Module, { gamma = 0.01 }: WeightPerturbationOptions = {}) {
    if (!(gamma >= 0 && gamma < Infinity)) {
      throw new ArgumentError(`WeightPerturbation: gamma is ${gamma}; expected a finite number from 0 up`);
    }
    const moving = [...model.namedParameters()].filter(
      ([name, { requiresGrad, rank }]) => requiresGrad && rank > 1 && name.includes('weight'),
    );
    if (moving.length === 0) {
      throw new ArgumentError('WeightPerturbation: the model has no weight of two axes or more to learn');
    }
    this.gamma = gamma;
    this.#names = moving.map(([name]) => name);
    this.parameters = moving.map(([, parameter]) => parameter);
  }

  /** Whether the weights are moved now. */
  get perturbed(): boolean {
    return this.#before !== undefined;
  }

  /**
   * Moves each of `parameters` along its gradient, one for each in their order; needs memory for a copy of them until `restore`.
   *
   * @throws ArgumentError where they are moved already, or there is not one gradient for each; ShapeError where one has another shape
   */
  perturb(gradients: readonly Tensor[]): void {
    this.#check(gradients);
    this.#before = this.parameters.map((parameter) => {
      const copy = keep(parameter.device.empty(parameter.shape));
      copy.copyFrom(parameter);
      return copy;
    });
    this.parameters.forEach((parameter, index) => {
      const gradient = gradients[index];
      if (gradient && parameter.size > 0) this.#move(parameter, gradient);
    });
  }

  #move(parameter: Tensor, gradient: Tensor): void {
    const { device, size } = parameter;
    const { software } = device.caps;
    const groups = Math.min(software ? MOST_WORKGROUPS.software : MOST_WORKGROUPS.gpu, Math.ceil(size / 64));
    const partial = device.empty([groups, 2]);
    const buffers = [parameter.range, gradient.range, partial.range];
    const uniforms = [size, groups, float(this.gamma), float(EPS)];
    device.dispatch({
      kernel: squaresKernel,
      constants: { PASS: 'squares' },
      buffers,
      uniforms,
      workgroups: foldWorkgroups(groups),
      label: 'AWP norms',
    });
    device.dispatch({
      kernel: addKernel,
      constants: { PASS: 'add' },
      buffers,
      uniforms,
      workgroups: strideWorkgroups(size, device.caps),
      label: 'AWP',
    });
    partial.dispose();
    parameter.markWritten();
  }

  /**
   * Gives the weights the bits that they had, and the copy's memory back.
   *
   * @throws ArgumentError where they are not moved
   */
  restore(): void {
    const before = this.#before;
    if (!before) throw new ArgumentError('WeightPerturbation.restore: the weights are not moved; perturb them first');
    this.parameters.forEach((parameter, index) => {
      const copy = before[index];
      if (copy) parameter.copyFrom(copy);
      copy?.dispose();
    });
    this.#before = undefined;
  }

  #check(gradients: readonly Tensor[]): void {
    if (this.#before) {
      throw new ArgumentError('WeightPerturbation.perturb: the weights are moved already; restore them first');
    }
    if (gradients.length !== this.parameters.length) {
      throw new ArgumentError(
        `WeightPerturbation.perturb: ${gradients.length} gradients for ${this.parameters.length} weights; expected one for each`,
      );
    }
    this.parameters.forEach(({ shape }, index) => {
      const gradient = gradients[index];
      if (gradient?.dtype === 'f32' && sameShape(gradient.shape, shape)) return;
      throw new ShapeError(
        `WeightPerturbation.perturb: the gradient of ${this.#names[index] ?? ''} ${formatShape(shape)} is ` +
          `${gradient?.dtype ?? ''} ${formatShape(gradient?.shape ?? [])}`,
      );
    });
  }
}
