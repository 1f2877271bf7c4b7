/** The trained models that the page ships, each made by the command beside it. */
export interface ShippedModel {
  readonly id: 'plain' | 'robust';
  readonly title: string;
  /** The safetensors file, relative to the page. */
  readonly file: string;
  /** The command that trained it. */
  readonly command: string;
}

/** Plain training beside MIMAE-AT, the same network. */
export const SHIPPED_MODELS = [
  {
    id: 'plain',
    title: 'Plain',
    file: 'models/plain.safetensors',
    command: 'bulwark train --dataset mnist --model cnn4 --objective plain --steps 800',
  },
  {
    id: 'robust',
    title: 'MIMAE-AT',
    file: 'models/mimae-at.safetensors',
    command: 'bulwark train --dataset mnist --model cnn4 --objective mimae-at --steps 1200',
  },
] as const satisfies readonly ShippedModel[];
