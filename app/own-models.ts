import { signal } from '@preact/signals';
import { SHIPPED_MODELS } from './models.js';

/** A model of one's own: trained here, or dropped as a file. */
export interface OwnModel {
  /** What it is called where one chooses among models; no two models share a title. */
  readonly title: string;
  /** A safetensors file, whose metadata say what model it is of. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The models of one's own, oldest first, as long as the page is open. */
export const ownModels = signal<readonly OwnModel[]>([]);

/** Adds a model, under a title that nothing else has: a number is appended where it must be. */
export function addOwnModel(model: OwnModel): OwnModel {
  const added = { title: freeTitle(model.title), bytes: model.bytes };
  ownModels.value = [...ownModels.value, added];
  return added;
}

/** A title, or where another model has it, the title with a number. */
export function freeTitle(title: string): string {
  const taken = new Set(modelTitles());
  let name = title;
  for (let count = 2; taken.has(name); count++) name = `${title} (${count})`;
  return name;
}

/** The titles of all models, the shipped ones first. */
export function modelTitles(): string[] {
  return [...SHIPPED_MODELS, ...ownModels.value].map(({ title }) => title);
}
