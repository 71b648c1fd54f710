/**
 * fast-check with the seed of the run. A run of single tests uses a new seed each time and explores; the whole of `npm
 * test` uses a fixed seed, so that a commit does not pass by luck or fail for something it did not change.
 */

import fc from 'fast-check';

const seed = process.env.TAILRACE_TEST_SEED;
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

export default fc;
