/** Attacks, objectives, training and evaluation. */
export { accuracyCurve, type AccuracyCurve, type AccuracyCurveOptions } from './accuracy-curve.js';
export type { Attack, AttackRandom, HostedAttack, HostedRun, RecordedAttack, Watched } from './attacks/attack.js';
export {
  apgd,
  apgdAttack,
  apgdTargeted,
  apgdTargetedAttack,
  type ApgdTargetedOptions,
  type ApgdTargetedResult,
} from './attacks/apgd.js';
export { apgdCheckpoints, type ApgdOptions, type ApgdResult } from './attacks/apgd-climb.js';
export { autoAttack, autoAttackParts, type AutoAttackOptions } from './attacks/auto-attack.js';
export { bim, bimAttack, type BimOptions } from './attacks/bim.js';
export {
  CW_L2_NOT_FOUND,
  cwL2,
  cwL2Attack,
  type CwL2AttackOptions,
  type CwL2Options,
  type CwL2Result,
} from './attacks/cw-l2.js';
export { cwLinf, cwLinfAttack, type CwLinfOptions } from './attacks/cw-linf.js';
export { deepfool, deepfoolAttack, type DeepFoolOptions, type DeepFoolResult } from './attacks/deepfool.js';
export { ffgsm, ffgsmAttack, type FfgsmOptions } from './attacks/ffgsm.js';
export { fgsm, fgsmAttack, type FgsmOptions } from './attacks/fgsm.js';
export {
  FAB_NOT_FOUND,
  fabTargeted,
  fabTargetedAttack,
  type FabResult,
  type FabTargetedAttackOptions,
  type FabTargetedOptions,
} from './attacks/fab.js';
export { stepToHyperplane } from './attacks/hyperplane.js';
export { inTurn } from './attacks/in-turn.js';
export { gaussianBlur, gaussianBlurAttack, type GaussianBlurOptions } from './attacks/gaussian-blur.js';
export { klPgd, klPgdAttack, type KlPgdOptions } from './attacks/kl-pgd.js';
export { noiseAttack, randomNoise, type NoiseOptions } from './attacks/noise.js';
export { quantized } from './attacks/quantized.js';
export { rfgsm, rfgsmAttack, type RfgsmOptions } from './attacks/rfgsm.js';
export { squareAttack, squareSearch, type SquareOptions, type SquareResult } from './attacks/square.js';
export { transferAttack } from './attacks/transfer.js';
export type { ClipOptions, Norm } from './attacks/ball.js';
export { inputGradient, sampleCrossEntropy, type AttackLoss } from './attacks/input-gradient.js';
export { l1Projection } from './attacks/l1.js';
export { l2Projection } from './attacks/l2.js';
export { linfStep, type LinfStep } from './attacks/linf.js';
export {
  cwLoss,
  dlrLoss,
  marginLoss,
  targetedCrossEntropy,
  targetedCwLoss,
  targetedDlrLoss,
  type CwLossOptions,
} from './attacks/losses.js';
export {
  NORMAL_START_STD,
  budgetWarning,
  pgd,
  pgdAttack,
  type PgdBudget,
  type PgdOptions,
  type PgdStart,
} from './attacks/pgd.js';
export { WeightPerturbation, type WeightPerturbationOptions } from './awp.js';
export { checkInputs } from './check-inputs.js';
export { confidentMisclassified, misclassified, targetedMisclassified, type Criterion } from './criteria.js';
export { evaluate, type EvaluateOptions, type EvaluationProgress } from './evaluation.js';
export type {
  AttackResult,
  Evaluation,
  EvaluationExample,
  JointDistribution,
  VersionResult,
  WorstExample,
} from './evaluation-tally.js';
export type { EvaluatedBatch, PerturbationSizes } from './evaluation-batch.js';
export { sanity, type SanityOptions, type SanityReport } from './sanity.js';
export type { SanityCheck, Verdict } from './sanity-checks.js';
export { ExampleMemory } from './example-memory.js';
export { inEvalMode, logitsOf, type Model } from './model.js';
export * from './objectives/losses.js';
export { ALP_DEFAULTS, alp, type AlpOptions } from './objectives/alp.js';
export { FAST_AT_DEFAULTS, fastAT, type FastATOptions } from './objectives/fast-at.js';
export { MART_DEFAULTS, mart, type MartOptions } from './objectives/mart.js';
export { MIMAE_AT_DEFAULTS, mimaeAT, type MimaeATOptions } from './objectives/mimae-at.js';
export { MMA_DEFAULTS, mma, type MmaOptions } from './objectives/mma.js';
export { mmaFixed } from './objectives/mma-fixed.js';
export * from './objectives/objective.js';
export { searchMargins, type FoundMargins, type MarginSearchOptions } from './objectives/margin-search.js';
export { softLogitMargin } from './objectives/soft-logit-margin.js';
export { PLAIN_DEFAULTS, plain, type PlainOptions } from './objectives/plain.js';
export { OBJECTIVES, objectiveNamed, type ObjectiveEntry } from './objectives/registry.js';
export { STANDARD_AT_DEFAULTS, standardAT, type StandardATOptions } from './objectives/standard-at.js';
export { TRADES_DEFAULTS, trades, type TradesOptions } from './objectives/trades.js';
export { opfsCheckpoints, type CheckpointStore } from './opfs-checkpoints.js';
export { perturbationNorms, type PerturbationNorms } from './perturbation.js';
export {
  PRESET_NAMES,
  presetNamed,
  presets,
  type PresetEntry,
  type PresetName,
  type PresetNamedOptions,
} from './preset-named.js';
export {
  MNIST_PAPER,
  MNIST_RECOMMENDED,
  PRESETS,
  PRESET_DATASETS,
  standardAttacks,
  type Preset,
  type PresetDataset,
  type PresetTraining,
} from './presets.js';
export { mutualInformationOf, signTest, wilson, type Proportion } from './statistics.js';
export { adversarialStep, type StepOptions, type StepValues } from './step.js';
export { ADVERSARIAL_ACCURACY, DivergenceError, NATURAL_ACCURACY, type StepMetrics } from './step-metrics.js';
export {
  decodeTrainingCheckpoint,
  encodeTrainingCheckpoint,
  type BestValidation,
  type TrainingCheckpoint,
} from './training-checkpoint.js';
export { Trainer } from './trainer.js';
export type {
  RunOptions,
  StepRecord,
  TrainerOptions,
  TrainingPlace,
  TrainingProgress,
  TrainingResult,
} from './trainer-options.js';
export { OPTIMIZERS, optimizerNamed, type OptimizerName } from './named-optimizer.js';
export { stepInParts } from './parts-of-step.js';
export type { ValidationOptions, ValidationRecord } from './training-validation.js';
export type { WeightAverageOptions } from './weight-average.js';
export type { TrainingAttack } from './training-attack.js';
export { verifyDevice } from './verify-device.js';
