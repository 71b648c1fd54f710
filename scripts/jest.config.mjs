/** Jest in native ESM: TypeScript is only stripped (types are checked by `npm run check`). */
export default {
  rootDir: '..',
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // Built files and stores change while tests run; jest must not look at them.
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/data/'],
  watchPathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/data/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  testSequencer: '<rootDir>/scripts/test-sequencer.mjs',
  testTimeout: 60_000,
};
