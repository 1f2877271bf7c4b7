import jsdoc from 'eslint-plugin-jsdoc';
import tseslint from 'typescript-eslint';

/**
 * Who may import whom, among the repository's folders: imports run downward only. Folders that are not listed here (the
 * tests, the scripts) may import everything.
 */
const MAY_IMPORT = {
  shaders: [],
  engine: ['shaders'],
  data: ['engine'],
  nn: ['engine', 'shaders'],
  adversarial: ['nn', 'data', 'engine', 'shaders'],
  node: ['adversarial', 'nn', 'data', 'engine'],
  report: [],
  bench: ['report', 'adversarial', 'nn', 'data', 'engine'],
  app: ['bench', 'report', 'adversarial', 'nn', 'data', 'engine'],
  cli: ['bench', 'report', 'node', 'adversarial', 'nn', 'data', 'engine'],
};
const FOLDERS = [...Object.keys(MAY_IMPORT), 'test', 'scripts'];

/** Folders that run in browsers as they are: nothing of Node.js, and no package. */
const LIBRARY = ['shaders', 'engine', 'data', 'nn', 'adversarial'];
const LIBRARY_FILES = ['index.ts', ...LIBRARY.map((folder) => `${folder}/**/*.ts`)];

/** The specifiers that files may not name: as a pattern for import declarations, and as one for `import()`. */
function forbidden(pattern, message) {
  return {
    'no-restricted-imports': ['error', { patterns: [{ regex: pattern, message }] }],
    'no-restricted-syntax': [
      'error',
      { selector: `ImportExpression > Literal[value=/${pattern.replaceAll('/', '\\/')}/]`, message },
      {
        selector: 'TSAsExpression > TSAsExpression > TSUnknownKeyword',
        message: 'A cast through unknown hides a wrong type: state the right one.',
      },
    ],
  };
}

const directions = Object.entries(MAY_IMPORT).map(([folder, below]) => {
  const above = FOLDERS.filter((other) => other !== folder && !below.includes(other));
  const patterns = [`^(\\.\\.?/)+(${above.join('|')})/`];
  if (LIBRARY.includes(folder)) patterns.push('^[^.]');
  const may = below.length > 0 ? `${below.join(', ')}${LIBRARY.includes(folder) ? '' : ' and packages'}` : 'nothing';
  return {
    files: [`${folder}/**/*.{ts,tsx}`],
    // Vite's settings and what they call run in Node.js.
    ignores: ['app/vite.config.ts', 'app/build/**'],
    rules: forbidden(patterns.join('|'), `${folder}/ may import ${may}: imports run downward only.`),
  };
});

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'runs/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  ...directions,
  {
    files: ['index.ts'],
    rules: forbidden(
      '^[^.]|^\\./(node|cli|bench|test|scripts)/',
      'The main entry runs in browsers: library folders only.',
    ),
  },
  {
    files: LIBRARY_FILES,
    rules: {
      'no-restricted-globals': ['error', 'process', 'Buffer', 'require', 'global', '__dirname', '__filename'],
    },
  },
  {
    files: [...LIBRARY_FILES, 'node/**/*.ts'],
    plugins: { jsdoc },
    rules: {
      'jsdoc/require-jsdoc': [
        'error',
        {
          publicOnly: { esm: true, cjs: false, window: false },
          require: { FunctionDeclaration: true, ClassDeclaration: true },
          contexts: [
            'MethodDefinition:not([kind="constructor"], [override=true], [accessibility="private"])',
            'TSInterfaceDeclaration',
            'TSTypeAliasDeclaration',
            'TSEnumDeclaration',
            'ExportNamedDeclaration > VariableDeclaration',
          ],
          enableFixer: false,
        },
      ],
      'jsdoc/no-types': 'error',
    },
  },
  { files: ['cli/**/*.ts', 'bench/**/*.ts'], rules: { 'no-console': 'off' } },
  // An expectation about a method takes it without calling it.
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/unbound-method': 'off' } },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: { Buffer: 'readonly', console: 'readonly', URL: 'readonly' } },
    rules: { 'no-undef': 'error', 'no-unused-vars': 'error', 'prefer-const': 'error', eqeqeq: 'error' },
  },
);
