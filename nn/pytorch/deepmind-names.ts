/**
 * The names of DeepMind's wide residual networks (Gowal et al., "Uncovering the limits of adversarial training", 2020), which the work
 * that builds on their code shares: Rebuffi et al. 2021, Rade and Moosavi-Dezfooli 2022, Wang et al. 2023.
 */

const PARTS = { batchnorm_0: 'bn1', conv_0: 'conv1', batchnorm_1: 'bn2', conv_1: 'conv2', shortcut: 'convShortcut' };
const BLOCK = /(^|\.)layer\.(\d+)\.block\.(\d+)\.(batchnorm_0|conv_0|batchnorm_1|conv_1|shortcut)\./;

const ENDS = { init_conv: 'conv1', batchnorm: 'bn1', logits: 'fc' };
const END = /(^|\.)(init_conv|batchnorm|logits)\.(?=[^.]+$)/;

/** Whether names are of such a network. */
export function areDeepMinds(names: Iterable<string>): boolean {
  return [...names].some((name) => BLOCK.test(name));
}

/** What `WideResNet` calls the tensor of such a name; any other name as it is. */
export function fromDeepMinds(name: string): string {
  return name
    .replace(BLOCK, (_, before: string, stage: string, block: string, part: keyof typeof PARTS) => {
      return `${before}block${Number(stage) + 1}.layer.${block}.${PARTS[part]}.`;
    })
    .replace(END, (_, before: string, part: keyof typeof ENDS) => `${before}${ENDS[part]}.`);
}
