import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { flattened } from '../../../cli/compare/run-folder.js';
import { COLUMN_GRADIENTS, columnAttack } from '../../../cli/reproduce/columns.js';
import { footnotesOf } from '../../../cli/reproduce/footnotes.js';
import { hashOf } from '../../../cli/reproduce/hash.js';
import { planFor, planTable, tableFolder, type Plan, type PlanOptions } from '../../../cli/reproduce/plan.js';
import { sharedNotes } from '../../../cli/reproduce/scale.js';
import { stepsOf } from '../../../cli/reproduce/run-training.js';
import { TABLE_NAMES, paperTable, type TableName } from '../../../cli/reproduce/tables.js';
import { Dataset } from '../../../data/dataset.js';

const FULL: PlanOptions = { scale: 1, seeds: 1, seed: 0, substitute: 'plain' };

function plan(name: TableName, options: Partial<PlanOptions> = {}): Plan {
  return planTable(paperTable(name), { ...FULL, ...options });
}

const LAMBDAS = ['0.1', '0.2', '0.3', '0.4', '0.5', '0.6', '0.7', '0.8', '0.9'];
const METHODS = ['standard-at', 'trades', 'mart', 'mimae-at'];

/** The tables as the paper prints them. */
const LAYOUTS: Readonly<Record<TableName, { rows: string[]; columns: string[] }>> = {
  table2: { rows: LAMBDAS, columns: ['natural', 'pgd20'] },
  table3: { rows: LAMBDAS, columns: ['natural', 'pgd20'] },
  table4: { rows: ['0.1', '0.3', '0.4', '0.6', '0.8', '0.9', '1.0'], columns: ['natural', 'pgd20'] },
  table5: { rows: METHODS, columns: ['natural', 'fgsm', 'pgd20', 'pgd50', 'cw', 'pgdL2'] },
  table6: { rows: METHODS, columns: ['natural', 'fgsm', 'pgd20', 'cw'] },
  table7: { rows: METHODS, columns: ['natural', 'fgsm', 'pgd20', 'cw', 'pgdL2'] },
  table8: { rows: METHODS, columns: ['natural', 'fgsm', 'pgd20', 'pgd40', 'cw', 'pgdL2'] },
  table9: { rows: METHODS, columns: ['fgsm', 'pgd20', 'cw'] },
  table10: {
    rows: ['bce-mi', 'bce+mae', 'bce-mi+mae', 'bce-mi+mse', 'ce-mi+mae'],
    columns: ['natural', 'fgsm', 'pgd20', 'cw'],
  },
  table11: { rows: ['64', '100', '128', '256'], columns: ['natural', 'fgsm', 'pgd20', 'cw'] },
};

describe('paperTable', () => {
  it.each(TABLE_NAMES)('%s has the rows and the columns of the paper, and a number in each cell', (name) => {
    const { rows, columns, value } = paperTable(name);
    expect({ rows, columns }).toEqual(LAYOUTS[name]);
    for (const row of rows)
      for (const column of columns) expect(value(row, column), `${row} ${column}`).toBeGreaterThan(20);
  });

  it('has every number of the file once', async () => {
    const file = JSON.parse(await readFile('cli/reproduce/paper-tables.json', 'utf8')) as Record<
      string,
      { rows: object }
    >;
    for (const name of TABLE_NAMES) {
      const numbers = Object.values(file[name]?.rows ?? {}).flatMap((row: object) => Object.values(row) as number[]);
      const { rows, columns, value } = paperTable(name);
      const ours = rows.flatMap((row) => columns.map((column) => value(row, column)));
      expect([...ours].sort(), name).toEqual([...numbers].sort());
    }
  });

  it('reads both of the layouts', () => {
    expect(paperTable('table2').value('0.4', 'pgd20')).toBe(54.38);
    expect(paperTable('table5').value('mart', 'cw')).toBe(48.94);
    expect(paperTable('table8').value('mimae-at', 'pgd40')).toBe(71.15);
    expect(paperTable('table11').value('256', 'cw')).toBe(53.2);
    expect(paperTable('table9').value('mart', 'natural')).toBeUndefined();
  });
});

/** The settings in which the runs of a table differ, by their places. */
function differences({ rows }: Plan): string[] {
  const configs = rows.flatMap(({ runs }) => runs.map(({ config }) => flattened(config)));
  const places = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return places.filter((place) => new Set(configs.map((config) => config[place])).size > 1);
}

describe('planTable', () => {
  it.each([
    ['table2', ['objective.options.lambda']],
    ['table3', ['objective.options.lambda']],
    ['table4', ['objective.options.beta']],
    ['table10', ['lambda', 'beta', 'pairing', 'classification'].map((option) => `objective.options.${option}`)],
    ['table11', ['training.batchSize']],
  ] as const)('%s differs in nothing but %j', (name, expected) => {
    expect(differences(plan(name)).sort()).toEqual([...expected].sort());
    expect(differences(plan(name, { scale: 0.02 })).sort()).toEqual([...expected].sort());
  });

  it.each(['table5', 'table6', 'table7', 'table8', 'table9'] as const)('%s differs in the objective alone', (name) => {
    const all = differences(plan(name));
    expect(all).toContain('objective.name');
    expect(all.filter((place) => !place.startsWith('objective.'))).toEqual([]);
  });

  it('differs in the seeds alone from one seed to the next', () => {
    const seeded = plan('table5', { only: ['mart'], seeds: 3, seed: 7 });
    expect(differences(seeded)).toEqual(['seed']);
    expect(seeded.runs.map(({ config }) => config.seed)).toEqual([7, 8, 9]);
  });

  it.each([
    ['table5', 'cifar10', 'resnet18', 10, 2e-4],
    ['table6', 'cifar10', 'wrn-34-10', 10, 5e-4],
    ['table7', 'cifar100', 'resnet18', 100, 2e-4],
  ] as const)("%s has the paper's settings of CIFAR", (name, dataset, model, classes, weightDecay) => {
    for (const { config } of plan(name).runs) {
      expect(config).toMatchObject({
        dataset: { name: dataset, folder: null, subset: null, imageSize: null },
        model: { name: model, classes, inChannels: 3, imageSize: 32, options: { width: 1 } },
        attack: { eps: 0.031, steps: 10, stepSize: 0.007, rampFraction: 0, start: 'normal' },
        training: {
          ...{ steps: null, epochs: 100, batchSize: 128, optimizer: 'sgd', lr: 0.1, momentum: 0.9, weightDecay },
          schedule: { name: 'step', drops: [75, 90], gamma: 0.1 },
        },
        evaluation: { samples: 0 },
        validation: null,
      });
      expect(config.augmentation).not.toBeNull();
    }
  });

  it("has the paper's settings of MNIST, and its weights", () => {
    const { rows } = plan('table8');
    expect(rows.map(({ runs: [run] }) => run?.config.objective)).toMatchObject([
      { name: 'standard-at' },
      { name: 'trades', options: { lambda: 4 } },
      { name: 'mart', options: { lambda: 5 } },
      {
        name: 'mimae-at',
        options: { lambda: 0.4, beta: 1, pairReduction: 'sum', pairing: 'l1', classification: 'bce' },
      },
    ]);
    expect(rows[0]?.runs[0]?.config).toMatchObject({
      dataset: { name: 'mnist' },
      model: {
        name: 'cnn4',
        classes: 10,
        inChannels: 1,
        imageSize: 28,
        options: { width: 1, dropout: 0.5, init: 'trades' },
      },
      augmentation: null,
      attack: { eps: 0.3, steps: 10, stepSize: 0.01, rampFraction: 0, start: 'normal' },
      training: { epochs: 100, lr: 0.01, schedule: { drops: [55, 75, 90] }, weightDecay: 2e-4, momentum: 0.9 },
    });
    const wide = plan('table6', { only: ['mimae-at'] }).runs[0]?.config.objective.options;
    expect(wide).toMatchObject({ lambda: 0.6, beta: 1 });
  });

  it('has the terms of table 10 and no pairing in table 11', () => {
    const options = plan('table10').rows.map(({ runs: [run] }) => run?.config.objective.options);
    expect(options).toMatchObject([
      { lambda: 0.6, beta: 0, classification: 'bce' },
      { lambda: 0, beta: 1, pairing: 'l1', classification: 'bce' },
      { lambda: 0.6, beta: 1, pairing: 'l1', classification: 'bce' },
      { lambda: 0.6, beta: 1, pairing: 'mse', classification: 'bce' },
      { lambda: 0.6, beta: 1, pairing: 'l1', classification: 'ce' },
    ]);
    const batches = plan('table11').rows.map(({ runs: [run] }) => run?.config);
    expect(batches.map((config) => config?.training.batchSize)).toEqual([64, 100, 128, 256]);
    expect(batches[0]?.objective.options).toMatchObject({ lambda: 0.4, beta: 0 });
  });

  it('makes rows with the same settings one run, within a table and across tables', () => {
    const id = (name: TableName, row: string): string | undefined => plan(name, { only: [row] }).runs[0]?.id;
    expect(new Set([id('table2', '0.4'), id('table4', '1.0'), id('table5', 'mimae-at')]).size).toBe(1);
    expect(new Set([id('table3', '0.6'), id('table6', 'mimae-at'), id('table10', 'bce-mi+mae')]).size).toBe(1);
    expect(id('table11', '128')).not.toBe(id('table5', 'mimae-at'));
    const black = plan('table9');
    expect(black.runs).toEqual([black.substitute, ...plan('table5').runs]);
    const ids = TABLE_NAMES.flatMap((name) => plan(name).runs.map((run) => run.id));
    // 9 + 9 + 6 more + 3 more + 3 more + 4 + 4 + the substitute + 4 more + 4.
    expect(new Set(ids).size).toBe(47);
  });

  it('names a run by its settings and its images, wherever their files are', () => {
    const names = ({ rows, runs, substitute }: Plan): string[] =>
      [...runs, ...rows.flatMap((row) => row.runs), ...(substitute ? [substitute] : [])].map(({ name }) => name);
    const black = plan('table9');
    expect(names(plan('table8'))[0]).toBe('standard-at-cnn4-mnist-75fa8bd775f7');
    expect(names(plan('table9', { data: './data/' }))).toEqual(names(black));
    const half = (pixel: number): Dataset =>
      new Dataset({ name: 'half', images: Uint8Array.of(pixel), labels: [0], shape: [1, 1, 1, 1], classes: 1 });
    const found = planFor(black, half(1), half(2));
    expect(found.runs).toEqual([found.substitute, ...found.rows.flatMap(({ runs }) => runs)]);
    expect(names(planFor(plan('table9', { data: 'elsewhere' }), half(1), half(2)))).toEqual(names(found));
    for (const other of [black, planFor(black, half(3), half(2)), planFor(black, half(1), half(3))])
      expect(names(other).filter((name) => names(found).includes(name))).toEqual([]);
  });

  it("measures CW-inf with 20 steps beside the paper's, in no column of its own", () => {
    expect(plan('table9').columns.map(({ column }) => column)).toEqual(['fgsm', 'pgd20', 'cw', 'cw20']);
    expect(plan('table2').columns.map(({ column }) => column)).toEqual(['natural', 'pgd20']);
    const settings = (column: 'cw' | 'cw20'): object => columnAttack(column, 'mnist').settings;
    expect(settings('cw20')).toEqual({ ...settings('cw'), steps: 20 });
  });

  it('makes the attacks of table 9 on a ResNet-50, trained on natural images unless told', () => {
    expect(plan('table9').substitute?.config).toMatchObject({
      model: { name: 'resnet50' },
      objective: { name: 'plain' },
    });
    const robust = plan('table9', { substitute: 'standard-at' });
    expect(robust.substitute?.config.objective.name).toBe('standard-at');
    expect(tableFolder(robust)).toBe('table9-substitute-standard-at');
    expect(plan('table5').substitute).toBeUndefined();
  });

  it('takes the images from elsewhere, and says so', () => {
    const shapes = plan('table7', { dataset: 'shapes32' });
    expect(shapes.differences).toEqual(['dataset: shapes32 instead of cifar100']);
    expect(shapes.runs[0]?.config).toMatchObject({ dataset: { name: 'shapes32' }, model: { classes: 10 } });
    expect(tableFolder(shapes)).toBe('table7-shapes32');
    expect(() => plan('table8', { dataset: 'cifar10' })).toThrow(
      '--dataset cifar10: cannot stand for mnist; mnist, fashion-mnist can',
    );
    const mean = plan('table5', { pairReduction: 'mean' });
    expect(mean.runs.at(-1)?.config.objective.options['pairReduction']).toBe('mean');
    expect(mean.runs[0]?.id).toBe(plan('table5').runs[0]?.id);
    expect(tableFolder(mean)).toBe('table5-pair-mean');
  });

  it('names the row that there is not', () => {
    expect(() => plan('table8', { only: ['mimae'] })).toThrow(
      "--only: unknown row of table8 'mimae' (did you mean mimae-at?); there are standard-at, trades, mart, mimae-at",
    );
  });
});

describe('scale', () => {
  it('leaves everything at 1, and says what is smaller below', () => {
    expect(plan('table8').differences).toEqual([]);
    expect(plan('table8').samples).toBe(10_000);
    expect(tableFolder(plan('table8'))).toBe('table8');
    const half = plan('table8', { scale: 0.5 });
    expect(half.differences).toEqual([
      'training images: 30000 instead of 60000',
      'test images: 5000 instead of 10000',
      'epochs: 50 instead of 100',
      'the rate drops at epochs: 28, 38, 46 instead of 55, 75, 90',
    ]);
    expect(half.runs[0]?.config.training.batchSize).toBe(128);
    expect(tableFolder(half)).toBe('table8-scale-0.5');
  });

  it('makes networks and batches smaller below a tenth, and keeps four epochs', () => {
    const { differences: said, runs, samples } = plan('table8', { scale: 0.02 });
    expect(said).toEqual([
      'training images: 1200 instead of 60000',
      'test images: 200 instead of 10000',
      'epochs: 4 instead of 100',
      'the rate drops at epochs: 3, 4 instead of 55, 75, 90',
      'batch size: 16 instead of 128',
      "factor of the network's channels: 0.5 instead of 1",
    ]);
    expect(samples).toBe(200);
    const [first] = runs;
    expect(first && stepsOf(first.config, 60_000)).toBe(300);
    const sizes = plan('table11', { scale: 0.02 }).runs.map(({ config }) => config.training.batchSize);
    expect(sizes).toEqual([8, 13, 16, 32]);
    const notes = plan('table11', { scale: 0.02 }).differences;
    expect(notes.slice(-4)).toEqual([
      'batch size: 8 instead of 64 (row 64)',
      'batch size: 13 instead of 100 (row 100)',
      'batch size: 16 instead of 128 (row 128)',
      'batch size: 32 instead of 256 (row 256)',
    ]);
    expect(notes).toContain('epochs: 4 instead of 100');
    expect(notes.filter((note) => note.includes('row ')).length).toBe(4);
    const same = sharedNotes([
      { label: 'a', notes: ['x', 'z'] },
      { label: 'b', notes: ['x', 'z'] },
      { label: 'c', notes: ['z'] },
    ]);
    expect(same).toEqual(['z', 'x (rows a, b)']);
    expect(plan('table5', { scale: 0.02 }).runs[0]?.config.model.options['width']).toBe(0.25);
  });
});

describe('columnAttack', () => {
  it("is the paper's, by the kind of images", () => {
    const settings = (column: Parameters<typeof columnAttack>[0], dataset: 'mnist' | 'cifar10'): object =>
      columnAttack(column, dataset).settings;
    const uniform = { start: 'uniform', norm: 'linf' };
    expect(settings('fgsm', 'mnist')).toEqual({ attack: 'fgsm', norm: 'linf', eps: 0.3 });
    expect(settings('pgd40', 'mnist')).toEqual({ attack: 'pgd', eps: 0.3, stepSize: 0.005, steps: 40, ...uniform });
    expect(settings('pgd20', 'cifar10')).toEqual({ attack: 'pgd', eps: 0.031, stepSize: 0.003, steps: 20, ...uniform });
    expect(settings('pgd50', 'cifar10')).toMatchObject({ steps: 50 });
    expect(settings('cw', 'cifar10')).toMatchObject({
      attack: 'cw-linf',
      stepSize: 0.003,
      steps: 30,
      kappa: 50,
      ...uniform,
    });
    expect(settings('cw', 'mnist')).toMatchObject({ eps: 0.3, stepSize: 0.005, steps: 30, kappa: 50 });
    expect(settings('pgdL2', 'cifar10')).toMatchObject({ norm: 'l2', eps: 0.5, stepSize: 0.003, steps: 20 });
    for (const name of TABLE_NAMES) {
      for (const { column, attack } of plan(name).columns.filter(
        ({ attack: each }) => each && 'steps' in each.settings,
      )) {
        expect(attack?.settings['steps'], column).toBe(COLUMN_GRADIENTS[column]);
      }
    }
    expect(() => settings('pgd50', 'mnist')).toThrow('PGD-50: the paper has no settings of it for mnist');
  });
});

describe('hashOf', () => {
  it('is the same whatever the order of the keys, and forever', () => {
    expect(hashOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(hashOf({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(hashOf({ a: 1, b: { c: [1, 2], d: null } })).toBe('6146dd4938e3');
    expect(hashOf({ a: 1 })).not.toBe(hashOf({ a: 2 }));
    expect(hashOf([1, 2])).not.toBe(hashOf([2, 1]));
  });
});

describe('footnotesOf', () => {
  it('has what is doubtful under the table that it is about', () => {
    const notes = (name: TableName): string => footnotesOf(plan(name)).join('\n');
    expect(notes('table8')).toMatch(/0\.104 at most.*98\.83 by FGSM.*no lambda and beta for MNIST.*0\.06 at most/s);
    expect(notes('table5')).toMatch(/0\.06 at most.*5 points.*--pair-reduction mean/s);
    expect(notes('table9')).toMatch(/exceed the natural accuracy.*83\.31.*--substitute standard-at/s);
    expect(notes('table10')).toContain('58.03');
    for (const name of TABLE_NAMES) {
      if (paperTable(name).columns.includes('cw'))
        expect(notes(name), name).toContain('CW-inf: the paper does not say');
      expect(notes(name)).toContain('after the last epoch');
    }
  });

  it('has nothing on rows that are not reproduced', () => {
    const notes = (name: TableName, row: string): string => footnotesOf(plan(name, { only: [row] })).join('\n');
    expect(notes('table8', 'trades')).not.toMatch(/MART's|lambda|MAE/);
    expect(notes('table8', 'trades')).toMatch(/0\.104 at most.*PGD-L2.*CW-inf/s);
    expect(notes('table8', 'mart')).toMatch(/MART's 98\.83/);
    expect(notes('table8', 'mimae-at')).toMatch(/no lambda and beta for MNIST.*--pair-reduction mean/s);
    expect(notes('table10', 'bce-mi')).not.toContain('MAE');
    for (const name of TABLE_NAMES) {
      const each = paperTable(name).rows.map((row) => footnotesOf(plan(name, { only: [row] })));
      expect(new Set(each.flat()), name).toEqual(new Set(footnotesOf(plan(name))));
    }
  });
});
