import { signal } from '@preact/signals';

/** A model of one's own: trained here, or dropped as a file. */
export interface OwnModel {
  /** What it is called where one chooses among models; no two share a title. */
  readonly title: string;
  /** A safetensors file, whose metadata say what model it is of. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The models of one's own, oldest first, as long as the page is open. */
export const ownModels = signal<readonly OwnModel[]>([]);

/** Adds a model, under a title that nothing else has: a number is appended where it must be. */
export function addOwnModel({ title, bytes }: OwnModel): OwnModel {
  const taken = new Set(ownModels.value.map((model) => model.title));
  let name = title;
  for (let count = 2; taken.has(name); count++) name = `${title} (${count})`;
  const added = { title: name, bytes };
  ownModels.value = [...ownModels.value, added];
  return added;
}
