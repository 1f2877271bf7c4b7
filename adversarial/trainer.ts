import { compile, type Compiled } from '../engine/compile.js';
import { ArgumentError, ShapeError } from '../engine/errors.js';
import { tensor } from '../engine/ops/create.js';
import { generatorOf } from '../engine/ops/random.js';
import { Generator } from '../engine/random.js';
import { formatShape } from '../engine/shape.js';
import { tuneAtFirstUse } from '../engine/tune.js';
import type { Tensor } from '../engine/tensor.js';
import { augmentation, type Augmentation } from '../data/augmentation.js';
import type { Dataset } from '../data/dataset.js';
import { Loader, type Batch } from '../data/loader.js';
import { Dropout } from '../nn/layers/dropout.js';
import { readTensors } from '../nn/state-dict.js';
import { StepSchedule, type Schedule } from '../nn/optim/schedule.js';
import type { Optimizer } from '../nn/optim/optimizer.js';
import { WeightPerturbation } from './awp.js';
import { checkCount } from './check-count.js';
import type { AttackLoss } from './attacks/input-gradient.js';
import { ascend, budgetWarning } from './attacks/pgd.js';
import { ExampleMemory } from './example-memory.js';
import { rememberModes, type Model } from './model.js';
import { optimizerNamed } from './named-optimizer.js';
import { objectiveOf, type Objective } from './objectives/objective.js';
import { stepInParts } from './parts-of-step.js';
import { DivergenceError, MetricsRing, type StepMetrics } from './step-metrics.js';
import type { RunOptions, StepRecord, TrainerOptions, TrainingPlace, TrainingResult } from './trainer-options.js';
import { checkAttack, plannedAttack, usesAttack } from './training-attack.js';
import { asPart, firstNotFinite, partOf, type TrainingCheckpoint } from './training-checkpoint.js';
import { TrainingClock } from './training-clock.js';
import { Validation } from './training-validation.js';
import { WeightAverage } from './weight-average.js';
import { UniformWatch } from './uniform-watch.js';

/** Batches that the running statistics of an average are estimated from at most. */
const STATISTICS_BATCHES = 100;

/** Steps whose work may be waiting on the GPU: enough to keep it busy, few enough to be stopped soon. */
const STEPS_IN_FLIGHT = 2;

/**
 * Adversarial training: algorithm 1 of Atsague, Fakorede and Tian (2021), for any objective. Each step is one submit;
 * nothing is read back within a step, and memory is the same after every step. The same seed and model give the same bits.
 */
export class Trainer {
  readonly optimizer: Optimizer;
  /** Steps in all. */
  readonly steps: number;
  /** What the objective keeps of each example from epoch to epoch, where it does: part of what a checkpoint needs. */
  readonly memory: ExampleMemory | undefined;
  readonly #options: TrainerOptions;
  readonly #objective: Objective;
  readonly #loader: Loader;
  readonly #schedule: Schedule;
  readonly #ring: MetricsRing;
  readonly #parameters: readonly Tensor[];
  readonly #watch: UniformWatch;
  readonly #warnings: string[] = [];
  /** The step as it is replayed; captured at the first step of each size of batch. */
  readonly #learn: Compiled<[Tensor, Tensor, Tensor], Tensor>;
  /** The same with perturbed weights. */
  readonly #learnPerturbed: Compiled<[Tensor, Tensor, Tensor], Tensor> | undefined;
  readonly #augmentation: Augmentation | undefined;
  readonly #average: WeightAverage | undefined;
  readonly #validation: Validation | undefined;
  readonly #noise = new Generator(0, { purpose: 'start' });
  readonly #changes = new Generator(0, { purpose: 'augmentation' });
  #eps = 0;
  #step = 0;
  /** Whether the validation after the last step is still to be done. */
  #owesValidation = false;

  /** @throws ArgumentError for options outside their domain, such as both of `epochs` and `steps`, or neither */
  constructor(options: TrainerOptions) {
    const { model, dataset, batchSize, seed, dropLast, lr, logEvery = 10, accumulate = 1, perturbation } = options;
    checkCount('trainer', 'logEvery', logEvery, 1);
    checkCount('trainer', 'accumulate', accumulate, 1);
    checkCount('trainer', 'perturbation.after', perturbation?.after ?? 0, 0);
    const objective = typeof options.objective === 'function' ? objectiveOf(options.objective) : options.objective;
    checkAttack(objective, options.attack);
    this.#options = options;
    this.#objective = objective;
    this.#loader = new Loader(dataset, { batchSize, seed, dropLast });
    this.steps = stepCount(options, this.#loader.length);
    this.#schedule = typeof lr === 'number' ? new StepSchedule({ baseLr: lr }) : lr;
    this.#ring = new MetricsRing(logEvery);
    this.#parameters = model.parameters().filter((parameter) => parameter.requiresGrad);
    this.optimizer = this.#makeOptimizer();
    const { classes } = dataset;
    this.#watch = new UniformWatch({ objective, classes, from: this.#judgedFrom, steps: this.steps });
    const { remembers } = objective;
    this.memory = remembers && new ExampleMemory(model.device, dataset.size, remembers.initial);
    this.#augmentation = options.augmentation && augmentation(options.augmentation);
    this.#average = options.average && new WeightAverage(this.optimizer, options.average, this.steps);
    this.#validation = options.validation && new Validation(options.validation);
    const weights = perturbation && new WeightPerturbation(model, perturbation);
    this.#learn = compile((x, labels, examples) => this.#learnFrom(x, labels, examples));
    this.#learnPerturbed = weights && compile((x, labels, examples) => this.#learnFrom(x, labels, examples, weights));
  }

  /** Steps done so far. */
  get step(): number {
    return this.#step;
  }

  /** Radius of the attack in a step, counted from 1; 0 where there is no attack, or the objective has its own. */
  epsAt(step: number): number {
    const { attack } = this.#options;
    if (!attack || !usesAttack(this.#objective)) return 0;
    return attack.eps * Math.min(1, step / Math.max(1, this.#rampSteps));
  }

  #makeOptimizer(): Optimizer {
    const { optimizer = 'sgd', momentum = 0, weightDecay = 0, nesterov = false } = this.#options;
    const options = { lr: this.#lrAt(1), momentum, weightDecay, nesterov };
    return typeof optimizer === 'function'
      ? optimizer(this.#parameters, options)
      : optimizerNamed(optimizer, this.#parameters, options);
  }

  #lrAt(step: number): number {
    const epoch = this.#loader.positionAfter(step - 1).epoch + 1;
    return this.#schedule.at({ epoch, step, steps: this.steps });
  }

  get #rampSteps(): number {
    return Math.ceil((this.#options.attack?.rampFraction ?? 0) * this.steps);
  }

  /**
   * Trains from where it stands to the end, or until step `until`. Gives the model's modes back at the end.
   *
   * @throws DivergenceError naming the step and the term where a number is no longer finite (found when metrics are read),
   * ShapeError where the model has fewer logits than the dataset has classes, and the signal's reason
   */
  async run(options: RunOptions = {}): Promise<TrainingResult> {
    const { model } = this.#options;
    const { checkpointEvery = Infinity, onCheckpoint } = options;
    if (options.checkpointEvery !== undefined) checkCount('trainer', 'checkpointEvery', checkpointEvery, 1);
    const restoreModes = rememberModes(model);
    const run = new TrainingClock(options, this.#step);
    this.#warn(this.#doubt(), options);
    const last = Math.min(options.until ?? this.steps, this.steps);
    const inFlight: Promise<void>[] = [];
    const { variants } = model.device;
    let { version } = variants;
    try {
      if (this.#owesValidation) {
        await this.#endEpoch(options);
        await onCheckpoint?.(this.#place);
      }
      while (this.#step < last && !this.#validation?.isOver) {
        if (options.signal?.aborted) {
          await this.#report(run, last);
          await onCheckpoint?.(this.#place);
          options.signal.throwIfAborted();
        }
        if (inFlight.length === STEPS_IN_FLIGHT) await inFlight.shift();
        const { epoch, position } = this.#loader.positionAfter(this.#step);
        const batch = this.#loader.batch(epoch, position);
        this.#take(batch);
        await tuneAtFirstUse(model.device);
        const done = model.device.sync();
        // Awaited two steps later; until then a failure must not count as unhandled.
        done.catch(() => undefined);
        inFlight.push(done);
        // While the GPU works on this step.
        if (this.#step < last) this.#loader.prefetch(this.#loader.positionAfter(this.#step));
        await options.onStep?.(this.#place);
        const isEpoch = position === this.#loader.length - 1;
        // The run's own last step, not that of this call.
        if (isEpoch || this.#step === this.steps) this.#average?.afterEpoch(this.#step);
        const validated = isEpoch && this.#validation?.isDue(epoch + 1);
        // What was just measured cannot be measured again to the same end.
        const isChosen = checkpointEvery < Infinity && variants.version !== version;
        version = variants.version;
        const due = isChosen || this.#step === last || this.#step % checkpointEvery === 0;
        if (this.#ring.full || due || validated) await this.#report(run, last);
        this.#owesValidation = validated ?? false;
        if (isEpoch) await this.#endEpoch(options);
        if (due || this.#validation?.isOver) await onCheckpoint?.(this.#place);
      }
      await Promise.all(inFlight);
    } finally {
      await Promise.allSettled(inFlight);
      restoreModes();
    }
    return {
      steps: this.#step,
      seconds: run.seconds,
      stoppedEarly: this.#validation?.isOver ?? false,
      best: this.#validation?.best,
      stuckAtUniform: this.#watch.stuck,
      warnings: [...this.#warnings],
    };
  }

  /**
   * Everything that it takes to go on from here, in another process too.
   *
   * @throws DivergenceError where a number of the model or the optimiser is no longer finite: nothing to go on from
   */
  async checkpoint(): Promise<TrainingCheckpoint> {
    const { model } = this.#options;
    const state = new Map([
      ...asPart('model', model.stateDict()),
      ...asPart('optimizer', this.optimizer.stateDict()),
      ...asPart('memory', this.memory?.stateDict() ?? []),
      ...asPart('average', this.#average?.stateDict() ?? []),
    ]);
    const tensors = await readTensors(state);
    const broken = firstNotFinite(tensors);
    if (broken !== undefined) {
      const message = `training diverged: ${broken} is not finite after step ${this.#step}; lower the learning rate`;
      throw new DivergenceError(message, this.#step, broken);
    }
    const generators = this.#dropout.map((generator) => generator.state());
    const variants = model.device.variants.entries();
    const owesValidation = this.#owesValidation || undefined;
    const dataset = this.#loader.dataset.fingerprint;
    const [warnings, uniform] = [[...this.#warnings], this.#watch.state];
    const { best } = this.#validation ?? {};
    return { step: this.#step, tensors, generators, variants, dataset, best, warnings, uniform, owesValidation };
  }

  /**
   * Goes on from a checkpoint of a run with the same model, dataset and options, with the bits that it would have had. From then on the
   * device goes by the checkpoint's choices of kernels alone, for whatever else is on it too.
   *
   * @throws StateDictError where the model or the optimiser is another one; ArgumentError for a step that is not one of the run's, another
   * number of generators, or another dataset
   */
  restore(checkpoint: TrainingCheckpoint): void {
    const {
      step,
      tensors,
      generators,
      variants,
      dataset,
      best,
      warnings,
      uniform,
      owesValidation = false,
    } = checkpoint;
    const { model } = this.#options;
    checkCount('trainer', 'step', step, 0);
    if (step > this.steps)
      throw new ArgumentError(`trainer: a checkpoint after step ${step} of a run of ${this.steps}`);
    const { name, fingerprint } = this.#loader.dataset;
    if (dataset !== undefined && dataset !== fingerprint) {
      throw new ArgumentError(
        `trainer: the checkpoint is of a run on other images or labels (${dataset}) than those of ${name} (${fingerprint}); ` +
          'give it the dataset that it began with',
      );
    }
    const dropout = this.#dropout;
    if (generators.length !== dropout.length) {
      throw new ArgumentError(
        `trainer: the number of the checkpoint's generators is ${generators.length}; the model draws from ${dropout.length}`,
      );
    }
    model.loadStateDict(partOf(tensors, 'model'));
    this.optimizer.loadStateDict(partOf(tensors, 'optimizer'));
    this.memory?.loadStateDict(partOf(tensors, 'memory'));
    this.#average?.loadStateDict(partOf(tensors, 'average'));
    if (this.#validation) this.#validation.best = best;
    this.#owesValidation = owesValidation && this.#validation !== undefined;
    dropout.forEach((generator, index) => {
      const state = generators[index];
      if (state) generator.setState(state);
    });
    // What was measured since, or elsewhere, would round otherwise.
    model.device.variants.replace(variants);
    this.#warnings.splice(0, Infinity, ...(warnings ?? []));
    if (uniform) this.#watch.state = uniform;
    this.#step = step;
  }

  /**
   * Has the model hold the average of its parameters from now on, where there is one: to be called after `run`, which leaves the model the
   * parameters that it trained. A checkpoint to go on from has to be made before.
   */
  async adoptAverage(): Promise<void> {
    if (this.#average?.isReady) await this.#average.adopt(this.#options.model, () => this.#someImages());
  }

  /** What follows the last step of an epoch. A run that is ended during the validation leaves it to the one that goes on from there. */
  async #endEpoch(options: RunOptions): Promise<void> {
    try {
      if (this.#owesValidation) await this.#validate(options);
    } catch (error) {
      if (options.signal?.aborted) await options.onCheckpoint?.(this.#place);
      throw error;
    }
    this.#owesValidation = false;
    await options.onEpoch?.(this.#place);
  }

  /** Measures the model, or the average of its parameters where there is one. */
  async #validate({ onValidation, signal }: RunOptions): Promise<void> {
    const validation = this.#validation;
    if (!validation) return;
    const { model, seed = 0 } = this.#options;
    const measure = async (): Promise<void> => {
      const record = await validation.run(model, this.#place, { seed, signal });
      await onValidation?.(record);
    };
    if (!this.#average?.isReady) {
      await measure();
      return;
    }
    // Estimating statistics draws masks, which training must not miss.
    const streams = this.#dropout.map((generator) => ({ generator, state: generator.state() }));
    try {
      await this.#average.holding(model, () => this.#someImages(), measure);
    } finally {
      for (const { generator, state } of streams) generator.setState(state);
    }
  }

  /** Batches of the first epoch to estimate running statistics from, as they are. */
  *#someImages(): Iterable<Tensor> {
    const { device } = this.#options.model;
    for (let position = 0; position < Math.min(this.#loader.length, STATISTICS_BATCHES); position++) {
      const { images, shape } = this.#loader.batch(0, position);
      const x = tensor(images, { device, shape });
      yield x;
      x.dispose();
    }
  }

  /** The streams that the model's dropout draws from, each once. */
  get #dropout(): Generator[] {
    const { model } = this.#options;
    const layers = model.modules().filter((layer) => layer instanceof Dropout);
    return [...new Set(layers.map(({ generator }) => generator ?? generatorOf(model.device, 'dropout')))];
  }

  get #place(): TrainingPlace {
    const step = this.#step;
    return { epoch: this.#loader.positionAfter(Math.max(0, step - 1)).epoch + 1, step };
  }

  /** Frees the optimiser's state; the model lives on. */
  dispose(): void {
    this.#learn.dispose();
    this.#learnPerturbed?.dispose();
    this.#average?.dispose();
    this.optimizer.dispose();
    this.memory?.dispose();
    this.#ring.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Records one step. */
  #take(batch: Batch): void {
    const { model, seed = 0 } = this.#options;
    const { device } = model;
    const step = this.#step + 1;
    this.optimizer.lr = this.#lrAt(step);
    // The attack's noise is a function of seed and step, so that a resumed run sees the same.
    this.#noise.setState(new Generator(seed, { purpose: 'start', index: step }).state());
    this.#changes.setState(new Generator(seed, { purpose: 'augmentation', index: batch.epoch }).state());
    this.#eps = this.epsAt(step);
    const { after = 0 } = this.#options.perturbation ?? {};
    const learn = (batch.epoch >= after ? this.#learnPerturbed : undefined) ?? this.#learn;
    device.scope(() => {
      const x = tensor(batch.images, { device, shape: batch.shape });
      const examples = new Int32Array(batch.indices);
      this.#ring.push(step, learn(x, tensor(batch.labels, { device }), tensor(examples, { device })));
    });
    this.#step = step;
  }

  /**
   * Learns from one batch of `examples`, by their numbers; gives the metrics of the step. What changes from step to step is asked for by
   * the GPU's work itself.
   */
  #learnFrom(natural: Tensor, labels: Tensor, examples: Tensor, perturbation?: WeightPerturbation): Tensor {
    const { model, dataset, maxNorm, accumulate = 1 } = this.#options;
    const objective = this.#objective;
    const x = this.#augmentation?.apply(natural, this.#changes, examples) ?? natural;
    const attack = (victim: Model, images: Tensor, classes: Tensor, loss?: AttackLoss): Tensor =>
      this.#attack(victim, images, classes, loss);
    const { clipMin = 0, clipMax = 1 } = this.#options.attack ?? {};
    const crafting = { clipMin, clipMax, generator: this.#noise, remembered: this.memory?.read(examples) };
    const values = stepInParts(
      { model, parameters: this.#parameters, objective, attack, crafting, perturbation, x, labels },
      accumulate,
    );
    checkLogits(values.naturalLogits ?? values.adversarialLogits, dataset);
    const { gradientNorm } = this.optimizer.step(values.gradients, { maxNorm });
    const measured = this.#ring.measure(values, labels, gradientNorm && { gradientNorm });
    this.#average?.afterStep();
    if (values.remembered) this.memory?.write(examples, values.remembered);
    return measured;
  }

  #attack(model: Model, x: Tensor, labels: Tensor, loss?: AttackLoss): Tensor {
    const { attack } = this.#options;
    if (!attack) throw new ArgumentError('trainer: the objective wants adversarial images, but there is no attack');
    // A ball without extent: the attack would come back to where it started.
    if (attack.eps === 0) return x;
    const { clipMin = 0, clipMax = 1 } = attack;
    const { start, steps, stepSize } = plannedAttack(this.#objective, attack);
    const step = { eps: () => this.#eps, stepSize: () => stepSize(this.#eps), clipMin, clipMax };
    const raised = attack.loss ?? loss;
    return ascend(model, x, labels, step, {
      ...(raised && { loss: raised }),
      start,
      steps,
      generator: this.#noise,
    });
  }

  /** Reads the metrics and hands them on. */
  async #report(run: TrainingClock, last: number): Promise<void> {
    const { read, divergence } = await this.#ring.read();
    const records = read.map(({ step, metrics }): StepRecord => {
      const { epoch, position } = this.#loader.positionAfter(step - 1);
      this.#warn(this.#watch.note(step, metrics), run.options);
      const maxima = this.#maximaOf(this.#loader.sizeOf(position));
      return { step, epoch: epoch + 1, lr: this.#lrAt(step), eps: this.epsAt(step), metrics, maxima };
    });
    if (records.length > 0)
      await run.progress(divergence ? divergence.step - 1 : this.#step, last, this.steps, records);
    if (divergence) throw divergence;
  }

  #maximaOf(samples: number): StepMetrics {
    const { classes } = this.#options.dataset;
    return Object.fromEntries(
      Object.entries(this.#objective.maxima ?? {}).map(([term, of]) => [term, of(classes, samples)]),
    );
  }

  /** The first step at which a loss at the value of uniform predictions is worth a word. */
  get #judgedFrom(): number {
    return Math.max(this.#rampSteps, Math.min(500, Math.ceil(this.steps / 2)));
  }

  /** Says a sentence, unless it was said before. */
  #warn(message: string | undefined, { onWarning }: RunOptions): void {
    if (message === undefined || this.#warnings.includes(message)) return;
    this.#warnings.push(message);
    onWarning?.(message);
  }

  /** What is doubtful about the attack's settings. */
  #doubt(): string | undefined {
    const { attack } = this.#options;
    if (!attack || !usesAttack(this.#objective)) return undefined;
    const { eps } = attack;
    const { steps, stepSize } = plannedAttack(this.#objective, attack);
    const warning = budgetWarning({ eps, steps, stepSize: stepSize(eps) });
    return warning && `training attack: ${warning}`;
  }
}

function stepCount({ epochs, steps }: TrainerOptions, stepsPerEpoch: number): number {
  if ((epochs === undefined) === (steps === undefined)) {
    throw new ArgumentError('trainer: give one of epochs and steps, to say how long to train');
  }
  if (steps !== undefined) checkCount('trainer', 'steps', steps, 1);
  if (epochs !== undefined) checkCount('trainer', 'epochs', epochs, 1);
  return steps ?? (epochs ?? 0) * stepsPerEpoch;
}

function checkLogits(logits: Tensor | undefined, { name, classes }: Dataset): void {
  const [, given = 0] = logits?.shape ?? [];
  if (logits?.rank !== 2 || given < classes) {
    throw new ShapeError(
      `trainer: the model gives logits ${formatShape(logits?.shape ?? [])}; ${name} needs [m, ${classes}], one to each class`,
    );
  }
}
