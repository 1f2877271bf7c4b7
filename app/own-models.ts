import { signal } from '@preact/signals';

/** A model that somebody brought or trained here: a safetensors file that says which model it is of. */
export interface OwnModel {
  /** What the rooms call it. */
  readonly title: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** They last as long as the page. */
export const ownModels = signal<readonly OwnModel[]>([]);

/** Adds a model; one of the same title gives way. */
export function addOwnModel(model: OwnModel): void {
  ownModels.value = [...ownModels.value.filter(({ title }) => title !== model.title), model];
}
