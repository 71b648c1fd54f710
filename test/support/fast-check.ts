/**
 * fast-check with the seed of the run. Whoever runs some tests by name draws anew each time and explores; all of
 * `npm test` draws what was drawn before, so that a commit does not pass by luck, nor fail for what it did not touch.
 */

import fc from 'fast-check';

const seed = process.env.TAILRACE_TEST_SEED;
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

export default fc;
