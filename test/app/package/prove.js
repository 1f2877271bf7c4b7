/** What every place that the package is used in computes with it: a gradient, two steps of training, an evaluation. */
export async function prove(bulwark, device) {
  const { Dataset, Flatten, Generator, Linear, Sequential, Trainer, evaluate, fgsmAttack, grad, mimaeAT, tensor } =
    bulwark;
  const x = tensor([1, 2, 3], { device }).requireGrad();
  const [gradient] = grad(x.mul(x).mul(x).sum(), [x]);
  const shape = [16, 1, 4, 4];
  const images = Uint8Array.from({ length: 256 }, (_, i) => (i * 37) % 256);
  const labels = Uint8Array.from({ length: 16 }, (_, i) => i % 3);
  const dataset = new Dataset({ name: 'made', images, labels, shape, classes: 3, classNames: ['a', 'b', 'c'] });
  const model = new Sequential(new Flatten(), new Linear(16, 3, { device, generator: new Generator(1) }));
  const attack = { eps: 0.1, stepSize: 0.05, steps: 2 };
  const settings = { model, dataset, objective: mimaeAT({ lambda: 0.5, beta: 0.1 }), attack };
  const trainer = new Trainer({ ...settings, batchSize: 8, seed: 1, lr: 0.1, steps: 2 });
  await trainer.run();
  const { natural, attacks } = await evaluate(model, dataset, { attacks: { fgsm: fgsmAttack({ eps: 0.1 }) } });
  const saved = await bulwark.saveStateDict(model);
  return {
    gradient: Array.from(await gradient.data()),
    values: Object.values(saved).flatMap(({ data }) => Array.from(data)),
    accuracies: [natural.accuracy.value, attacks.fgsm.accuracy.value],
    kept: globalThis.navigator?.storage ? await keep(bulwark, model, trainer, saved) : undefined,
  };
}

/** Saves a model, a training checkpoint and variants as a page does, and reads them back; says what came of it. */
async function keep(bulwark, model, trainer, saved) {
  const { StorageError, indexedDBVariants, listOPFS, loadFromOPFS, modelBlob, opfsCheckpoints, readModelBlob } =
    bulwark;
  const { removeFromOPFS, saveToOPFS } = bulwark;
  const path = 'models/proof.safetensors';
  // The second replaces the first.
  await saveToOPFS(path, new Uint8Array([1, 2, 3]));
  await saveToOPFS(path, await modelBlob(model));
  const { tensors } = await readModelBlob(await loadFromOPFS(path));
  const listed = await listOPFS('models');
  await removeFromOPFS(path);
  await removeFromOPFS(path);
  const missing = await loadFromOPFS(path).catch((error) => error);
  const store = opfsCheckpoints();
  await store.save('run', await trainer.checkpoint());
  const runs = await store.runs();
  const checkpoint = await store.load('run');
  trainer.restore(checkpoint);
  await store.remove('run');
  const variants = indexedDBVariants('proof');
  await variants.save('adapter', { op: 'tile' });
  return {
    tensors: Object.keys(saved).every((name) => String(tensors[name].data) === String(saved[name].data)),
    listed: listed.map((file) => file.path),
    missing: missing instanceof StorageError && missing.name === 'StorageError' && missing.reason,
    runs,
    step: checkpoint.step,
    gone: await store.load('run'),
    variants: await variants.load('adapter'),
  };
}
