/**
 * The kernels as they are published: the same text without comments and spaces, its own names short. What the templating of
 * engine/template.ts goes by stays: directives, `$NAME`, `$[...]`, and all names in capitals, which are constants.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../shaders', import.meta.url));

/** Names that TypeScript writes into kernels: engine/fusion.ts and engine/ops/unary.ts. */
const WRITTEN = new Set(['params', 'words', 'first', 'second', 'main']);

/** Words of two letters that WGSL keeps for itself. */
const KEYWORDS = ['as', 'do', 'fn', 'if', 'of'];

const TOKEN =
  /\$\[[^\]]*\]|\$(?:[A-Z][A-Z0-9_]*|[a-z])|@\w+(?:\s*\([^)]*\))?|\bvar\s*<[^>]*>|\d[\w.]*|[A-Za-z_]\w*|\.\d\w*|\S/g;

const isName = (token) => /^[A-Za-z_]/.test(token);
const isTemplate = (token) => token?.startsWith('$') ?? false;

/** The parts between directives, which are lines of their own, each as its tokens. */
function partsOf(source) {
  const parts = [];
  let text = '';
  const close = () => {
    const tokens = [...text.matchAll(TOKEN)].map(({ 0: token, index }) => ({
      token,
      index,
      end: index + token.length,
    }));
    if (tokens.length > 0) parts.push({ tokens });
    text = '';
  };
  for (const line of source.replace(/\/\*[^]*?\*\//g, '').split('\n')) {
    const own = /^\s*(\/\/#.*?|(?:enable|requires)\s.*?)\s*$/.exec(line)?.[1];
    if (own === undefined) {
      text += `${line.replace(/\/\/.*/, '')}\n`;
    } else {
      close();
      parts.push({ line: own });
    }
  }
  close();
  return parts;
}

/** Whether a name is written out in full, not put together with what a template gives. */
function isWhole(tokens, at) {
  const { index, end } = tokens[at];
  const [before, after] = [tokens[at - 1], tokens[at + 1]];
  return !((isTemplate(before?.token) && before.end === index) || (isTemplate(after?.token) && after.index === end));
}

/** What the names that are put together with templates may come out as. */
function templatedNames(parts) {
  const patterns = new Set();
  for (const { tokens = [] } of parts) {
    let pattern = '';
    let [named, templated] = [false, false];
    tokens.forEach(({ token, end }, at) => {
      const word = isName(token) || isTemplate(token);
      if (word) pattern += isTemplate(token) ? '\\w*' : token;
      named ||= isName(token);
      templated ||= isTemplate(token);
      if (word && tokens[at + 1]?.index === end && /^[\w$]/.test(tokens[at + 1].token)) return;
      if (named && templated) patterns.add(pattern);
      pattern = '';
      named = templated = false;
    });
  }
  return new RegExp(`^(${[...patterns].join('|')})$`);
}

/** Kernels that are put together from two files, by their parts. */
const TOGETHER = [
  ['elementwise', 'unary', 'binary', 'fused'],
  ['parts/tile_product', 'gemm_tile', 'conv_tile', 'conv_tile_weight_grad'],
  [
    'mutual_information_term',
    'mutual_information',
    'mutual_information_backward',
    'mutual_information_entries',
    'mutual_information_logits',
    'mutual_information_rows',
    'mutual_information_sum',
  ],
].map((names) => names.map((name) => `${name}.wgsl`));

/**
 * Short names for what the kernels themselves declare, given to the most frequent first. A name is short for the same in all files, but
 * names that never meet in a kernel may have the same short one.
 */
function shortNames(sources) {
  const counts = new Map();
  const declared = new Set();
  const functions = new Set();
  const called = new Set();
  /** By files, the names that are taken there. */
  const taken = new Map([...sources.keys()].map((file) => [file, new Set(KEYWORDS)]));
  /** By names, the files that have them. */
  const homes = new Map();
  const partsBy = [...sources].map(([file, source]) => [file, partsOf(source)]);
  const templated = templatedNames(partsBy.flatMap(([, parts]) => parts));
  for (const [file, { tokens = [] }] of partsBy.flatMap(([file, parts]) => parts.map((part) => [file, part]))) {
    tokens.forEach(({ token }, at) => {
      if (!isName(token) || token.startsWith('var<')) return;
      counts.set(token, (counts.get(token) ?? 0) + 1);
      homes.set(token, (homes.get(token) ?? new Set()).add(file));
      if (!isWhole(tokens, at)) return;
      const [before, after] = [tokens[at - 1]?.token ?? '', tokens[at + 1]?.token];
      if (before === 'fn') functions.add(token);
      if (after === '(') called.add(token);
      if (/^(fn|let|var|const|struct|alias)\b/.test(before) || after === ':') declared.add(token);
    });
  }
  const isShortened = (name) =>
    declared.has(name) &&
    name.length > 1 &&
    /[a-z]/.test(name) &&
    !WRITTEN.has(name) &&
    !templated.test(name) &&
    // A name that hides one of WGSL's own functions somewhere is that function elsewhere.
    (functions.has(name) || !called.has(name));
  /** The files in which a name has to be alone. */
  const reach = (name) =>
    new Set([...homes.get(name)].flatMap((file) => [file, ...(TOGETHER.find((files) => files.includes(file)) ?? [])]));
  for (const name of homes.keys()) if (!isShortened(name)) for (const file of reach(name)) taken.get(file).add(name);
  const letters = [...'etaoinsrlcdumphgfbvwykxqjz'];
  const candidates = [...letters, ...letters.flatMap((a) => letters.map((b) => a + b))];
  const short = new Map();
  const worth = [...homes.keys()].filter(isShortened);
  worth.sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || (a < b ? -1 : 1));
  for (const name of worth) {
    const files = [...reach(name)];
    const free = candidates.find((candidate) => files.every((file) => !taken.get(file).has(candidate)));
    if (free === undefined) throw new Error(`${name}: no short name is left for it`);
    for (const file of files) taken.get(file).add(free);
    short.set(name, free);
  }
  return short;
}

/** Whether two tokens that have space between them would become one, or others, without. What `$` gives may be a word or negative. */
function needSpace(left, right) {
  const words = /[\w$\]]$/.test(left) && /^[\w$]/.test(right) && (left !== ']' || isTemplate(right));
  return words || (/[-+&|>]$/.test(left) && /^[-+&|=]/.test(right)) || (left === '-' && isTemplate(right));
}

/** A token that is not a name of the kernel's own, as short as it can be. */
function shortest(token) {
  if (isTemplate(token)) return token;
  const number = /^(\d*)\.(\d*?)0*(e.*)?$/.exec(token);
  if (!number) return token.replaceAll(' ', '');
  const [, whole = '', part = '', exponent = ''] = number;
  return part === '' ? `${whole}.${exponent}` : `${whole === '0' ? '' : whole}.${part}${exponent}`;
}

function minify(source, names) {
  const lines = partsOf(source).map(({ line, tokens = [] }) => {
    if (line !== undefined) return line;
    return tokens
      .filter(({ token }, at) => !(token === ',' && /^[)}]$/.test(tokens[at + 1]?.token ?? '')))
      .map(({ token, index }, at, all) => {
        const before = all[at - 1];
        const space = before && before.end < index && needSpace(before.token, token) ? ' ' : '';
        const whole = isName(token) && isWhole(tokens, tokens.indexOf(all[at]));
        return space + ((whole && names.get(token)) || shortest(token));
      })
      .join('');
  });
  return `${lines.join('\n')}\n`;
}

let names;

/** The text of a kernel, of one file or of several put together, as it is published. */
export function publishedText(source) {
  names ??= shortNames(
    new Map(
      readdirSync(folder, { recursive: true })
        .filter((file) => file.endsWith('.wgsl'))
        .sort()
        .map((file) => [file, readFileSync(join(folder, file), 'utf8')]),
    ),
  );
  return minify(source, names);
}

/** For esbuild: kernels as text, as they are published. */
export const publishedKernels = {
  name: 'published-kernels',
  setup({ onLoad }) {
    onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({
      contents: publishedText(readFileSync(path, 'utf8')),
      loader: 'text',
    }));
  },
};
