import type { OptionValues } from '../../engine/named-options.js';
import published from './paper-tables.json';

/** Where the numbers come from. */
export const SOURCE = published.source;

/** The tables of the paper that hold accuracies. */
export const TABLE_NAMES = [
  'table2',
  'table3',
  'table4',
  'table5',
  'table6',
  'table7',
  'table8',
  'table9',
  'table10',
  'table11',
] as const;
/** One of {@link TABLE_NAMES}. */
export type TableName = (typeof TABLE_NAMES)[number];

/** What a column of a table measures: the accuracy on natural images, or under an attack. The paper has no `cw20`. */
export const COLUMN_NAMES = ['natural', 'fgsm', 'pgd20', 'pgd40', 'pgd50', 'cw', 'cw20', 'pgdL2'] as const;
/** One of {@link COLUMN_NAMES}. */
export type ColumnName = (typeof COLUMN_NAMES)[number];

/** In what a row's training differs from the others of its table. */
export interface RowSetting {
  readonly objective: string;
  readonly options: OptionValues;
  /** The paper's 128 unless told. */
  readonly batchSize?: number;
}

/** A table of the paper: what was trained, on what, and what was measured. */
export interface PaperTable {
  readonly name: TableName;
  readonly title: string;
  readonly dataset: 'mnist' | 'cifar10' | 'cifar100';
  readonly model: 'cnn4' | 'resnet18' | 'wrn-34-10';
  /** What tells the rows apart. */
  readonly rowHead: string;
  readonly rows: readonly string[];
  readonly columns: readonly ColumnName[];
  /** The network that the attacks are made on, of a table of black-box attacks. */
  readonly substitute?: string;
  /** Throws nothing for one of `rows`. */
  readonly setting: (row: string) => RowSetting;
  /** In per cent; undefined where the paper has no number. */
  readonly value: (row: string, column: ColumnName) => number | undefined;
}

type Numbers = Readonly<Record<string, Readonly<Record<string, number>>>>;

type Definition = Pick<PaperTable, 'dataset' | 'model' | 'rowHead' | 'setting' | 'substitute'>;

/** The paper's weight of the mutual information, by model: section 5; where it gives none, that for ResNet-18. */
const LAMBDA = { cnn4: 0.4, resnet18: 0.4, 'wrn-34-10': 0.6 } as const;
const BETA = 1;

/** The paper's weights for the methods that it compares. */
function methods(model: keyof typeof LAMBDA): Pick<Definition, 'rowHead' | 'setting'> {
  const options: Readonly<Record<string, OptionValues>> = {
    trades: { lambda: 4 },
    mart: { lambda: 5 },
    'mimae-at': { lambda: LAMBDA[model], beta: BETA },
  };
  return { rowHead: 'method', setting: (row) => ({ objective: row, options: options[row] ?? {} }) };
}

function mimae(options: OptionValues): RowSetting {
  return { objective: 'mimae-at', options: { lambda: LAMBDA.resnet18, beta: BETA, ...options } };
}

const WIDE = { lambda: LAMBDA['wrn-34-10'] };

/** Table 10: which terms the objective has. */
const TERMS: Readonly<Record<string, OptionValues>> = {
  'bce-mi': { ...WIDE, beta: 0 },
  'bce+mae': { ...WIDE, lambda: 0 },
  'bce-mi+mae': WIDE,
  'bce-mi+mse': { ...WIDE, pairing: 'mse' },
  'ce-mi+mae': { ...WIDE, classification: 'ce' },
};

const DEFINITIONS: Readonly<Record<TableName, Definition>> = {
  table2: {
    dataset: 'cifar10',
    model: 'resnet18',
    rowHead: 'lambda',
    setting: (row) => mimae({ lambda: Number(row) }),
  },
  table3: {
    dataset: 'cifar10',
    model: 'wrn-34-10',
    rowHead: 'lambda',
    setting: (row) => mimae({ lambda: Number(row) }),
  },
  table4: { dataset: 'cifar10', model: 'resnet18', rowHead: 'beta', setting: (row) => mimae({ beta: Number(row) }) },
  table5: { dataset: 'cifar10', model: 'resnet18', ...methods('resnet18') },
  table6: { dataset: 'cifar10', model: 'wrn-34-10', ...methods('wrn-34-10') },
  table7: { dataset: 'cifar100', model: 'resnet18', ...methods('resnet18') },
  table8: { dataset: 'mnist', model: 'cnn4', ...methods('cnn4') },
  table9: { dataset: 'cifar10', model: 'resnet18', substitute: 'resnet50', ...methods('resnet18') },
  table10: { dataset: 'cifar10', model: 'wrn-34-10', rowHead: 'terms', setting: (row) => mimae(TERMS[row] ?? {}) },
  table11: {
    dataset: 'cifar10',
    model: 'resnet18',
    rowHead: 'batch size',
    setting: (row) => ({ ...mimae({ beta: 0 }), batchSize: Number(row) }),
  },
};

/** A table of the paper. */
export function paperTable(name: TableName): PaperTable {
  const { title, rows: numbers }: { title: string; rows: Numbers } = published[name];
  // Half of the tables name the attacks along the rows: tables 2 to 4 and 11, whose rows are settings.
  const byColumn = 'natural' in numbers;
  const [outer, inner] = [
    Object.keys(numbers),
    [...new Set(Object.values(numbers).flatMap((row) => Object.keys(row)))],
  ];
  const [rows, found] = byColumn ? [inner, outer] : [outer, inner];
  const value = (row: string, column: ColumnName): number | undefined =>
    byColumn ? numbers[column]?.[row] : numbers[row]?.[column];
  const columns = COLUMN_NAMES.filter((column) => found.includes(column));
  return { name, title, ...DEFINITIONS[name], rows, columns, value };
}
