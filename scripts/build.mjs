/**
 * Builds dist/: every file of the library, of its Node.js entry and of the command as one module, so that bundlers take no more than an
 * application uses; `bulwark.min.js`, all of the library in one file, for pages without a bundler; and, with --types, the declarations.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';
import { publishedText } from './wgsl.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** All of the library, minified. */
const ONE_FILE = 'dist/bulwark.min.js';

/** Folders whose modules are published one by one. */
const FOLDERS = /^(shaders|engine|nn|data|adversarial|node)\//;

rmSync(dist, { recursive: true, force: true });
const { inputs } = await everyModule();
checkBrowserSafe('index.ts');
await buildModules(Object.keys(inputs));
await buildCommand();
await buildOneFile();
if (process.argv.includes('--types')) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '--project', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}

/** All modules, and who imports whom. */
async function everyModule() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['index.ts', 'node/index.ts', 'cli/main.ts'],
    outdir: 'dist',
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    loader: { '.wgsl': 'empty' },
    logLevel: 'warning',
  });
  return metafile;
}

/** The main entry and all that it loads, at once or later, must not need Node.js or a package. */
function checkBrowserSafe(file, seen = new Set()) {
  if (seen.has(file)) return;
  seen.add(file);
  for (const { path, external } of inputs[file].imports) {
    if (external) throw new Error(`${file} imports ${path}, which browsers do not have`);
    checkBrowserSafe(path, seen);
  }
}

async function buildModules(modules) {
  const files = modules.filter((file) => file === 'index.ts' || FOLDERS.test(file));
  const isKernel = (file) => file.endsWith('.wgsl');
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: files.filter((file) => !isKernel(file)),
    outbase: '.',
    outdir: 'dist',
    format: 'esm',
    target: 'es2023',
    sourcemap: true,
    write: false,
    logLevel: 'warning',
  });
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    const up = relative(dirname(path), dist) || '.';
    const kernels = `import { $2 as $1 } from "${up}/shaders.js"`;
    writeFileSync(path, path.endsWith('.js') ? text.replace(/import (\w+) from ".*\/(\w+)\.wgsl"/g, kernels) : text);
  }
  // One beside another, they compress better: most begin alike.
  const kernels = files.filter(isKernel).map((file) => {
    const text = publishedText(readFileSync(join(root, file), 'utf8'));
    return `export const ${basename(file, '.wgsl')} = ${JSON.stringify(text)};\n`;
  });
  writeFileSync(join(dist, 'shaders.js'), kernels.join(''));
  writeFileSync(join(dist, 'node.js'), `export * from './node/index.js';\n`);
}

/** The command, without the library, which it shares with whoever imports that. */
async function buildCommand() {
  const library = {
    name: 'library',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
        const file = relative(root, join(resolveDir, path));
        return FOLDERS.test(file) ? { path: `./${file}`, external: true } : undefined;
      });
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: { cli: 'cli/main.ts' },
    outdir: 'dist',
    // Beside the library's folders, from where they name it.
    chunkNames: 'cli-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    plugins: [library],
    sourcemap: true,
    logLevel: 'warning',
  });
  chmodSync(join(dist, 'cli.js'), 0o755);
}

/** All of the library, from its modules in dist/; what they load on demand comes at once. */
async function buildOneFile() {
  const atOnce = {
    name: 'at-once',
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, ({ path }) => {
        const imports = [];
        const text = readFileSync(path, 'utf8').replace(
          /const (\{[^}]*\}) = await import\(("\.[^"]*")\);/g,
          (_, names, from) => {
            imports.push(`import ${names} from ${from};`);
            return '';
          },
        );
        return { contents: text.replace(/(?=\/\/# sourceMappingURL)/, `${imports.join(' ')}\n`), loader: 'js' };
      });
    },
  };
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['dist/index.js'],
    outfile: ONE_FILE,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    plugins: [atOnce],
    sourcemap: 'external',
    write: false,
    logLevel: 'warning',
  });
  const [map, bundle] = outputFiles.map(({ text }) => text);
  const { code, map: minifiedMap } = await minify(bundle, {
    module: true,
    ecma: 2020,
    compress: { passes: 2 },
    sourceMap: { content: map, url: `${basename(ONE_FILE)}.map` },
  });
  writeFileSync(join(root, ONE_FILE), code);
  writeFileSync(join(root, `${ONE_FILE}.map`), minifiedMap);
}
