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

/** Short names for what the kernels themselves declare: the same in all, as some are put together from two files. */
function shortNames(sources) {
  const counts = new Map();
  const declared = new Set();
  const functions = new Set();
  const called = new Set();
  const taken = new Set(KEYWORDS);
  const parts = sources.flatMap(partsOf);
  const templated = templatedNames(parts);
  for (const { tokens = [] } of parts) {
    tokens.forEach(({ token }, at) => {
      if (!isName(token) || token.startsWith('var<')) return;
      taken.add(token);
      counts.set(token, (counts.get(token) ?? 0) + 1);
      if (!isWhole(tokens, at)) return;
      const [before, after] = [tokens[at - 1]?.token ?? '', tokens[at + 1]?.token];
      if (before === 'fn') functions.add(token);
      if (after === '(') called.add(token);
      if (/^(fn|let|var|const|struct|alias)\b/.test(before) || after === ':') declared.add(token);
    });
  }
  const worth = [...declared].filter(
    (name) =>
      name.length > 2 &&
      /[a-z]/.test(name) &&
      !WRITTEN.has(name) &&
      !templated.test(name) &&
      // A name that hides one of WGSL's own functions somewhere is that function elsewhere.
      (functions.has(name) || !called.has(name)),
  );
  worth.sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || (a < b ? -1 : 1));
  const letters = [...'etaoinsrlcdumphgfbvwykxqjz'];
  const free = letters.flatMap((a) => letters.map((b) => a + b)).filter((name) => !taken.has(name));
  if (free.length < worth.length) throw new Error(`${worth.length} names in shaders/, but ${free.length} short ones`);
  return new Map(worth.map((name, at) => [name, free[at]]));
}

/** Whether two tokens that have space between them would become one, or others, without. What `$` gives may be a word or negative. */
function needSpace(left, right) {
  const words = /[\w$\]]$/.test(left) && /^[\w$]/.test(right) && (left !== ']' || isTemplate(right));
  return words || (/[-+&|>]$/.test(left) && /^[-+&|=]/.test(right)) || (left === '-' && isTemplate(right));
}

function minify(source, names) {
  const lines = partsOf(source).map(({ line, tokens = [] }) => {
    if (line !== undefined) return line;
    return tokens
      .map(({ token, index }, at) => {
        const before = tokens[at - 1];
        const space = before && before.end < index && needSpace(before.token, token) ? ' ' : '';
        const name = isName(token) && isWhole(tokens, at) ? names.get(token) : undefined;
        return space + (name ?? (isTemplate(token) ? token : token.replaceAll(' ', '')));
      })
      .join('');
  });
  return `${lines.join('\n')}\n`;
}

let names;

/** The text of a kernel, of one file or of several put together, as it is published. */
export function publishedText(source) {
  names ??= shortNames(
    readdirSync(folder, { recursive: true })
      .filter((file) => file.endsWith('.wgsl'))
      .sort()
      .map((file) => readFileSync(join(folder, file), 'utf8')),
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
