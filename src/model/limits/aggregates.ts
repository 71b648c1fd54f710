/** What counting and summing the records of a stream may take. */

const MiB = 1024 * 1024;

/** Groups, each bucket of time counting for itself; all further ones are one. And the columns that make them. */
export const AGGREGATE_GROUPS_MAX = 10_000;
export const AGGREGATE_COLUMNS_MAX = 3;

/** Bytes, or characters, of one value that names a group; longer ones are cut. */
export const AGGREGATE_NAME_BYTES_MAX = 256;

/** Places of all quantiles of one call together, each for the values within 1 % of each other; more need more memory. */
export const AGGREGATE_BINS_MAX = 500_000;

/** Memory is taken in such steps while groups grow. */
export const AGGREGATE_STEP_BYTES = MiB;

/** Open spans that wait for the record that closes them, and closed ones that are remembered (a power of two). */
export const AGGREGATE_OPEN_SPANS_MAX = 100_000;
export const AGGREGATE_CLOSED_SPANS = 65_536;

/** A call with one response looks at records so long at most, then says where to go on. */
export const AGGREGATE_MS_MAX = 5_000;

/** A call with several responses gets one so often, or less often where a response is much work. */
export const AGGREGATE_PARTIAL_MS = 1_000;
