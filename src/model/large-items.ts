/**
 * What a basin with `large_items_max` stores beyond the size of an S2 record, and how S2 readers get it: the limits that
 * concern nothing else.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Metered bytes of one OTLP record: the most that `large_items_max` can say. */
export const LARGE_ITEM_BYTES_MAX = 16 * MiB;
/** The head of a resource, and that of a scope, has at most so many bytes in a record that S2 readers get cut. */
export const CUT_HEAD_BYTES_MAX = 256 * KiB;
/** No string is cut to fewer bytes. */
export const CUT_STRING_BYTES_MIN = 16;
/** What says how a record is cut is stored with it, and has at most so many bytes. */
export const CUT_EDITS_BYTES_MAX = MiB;
