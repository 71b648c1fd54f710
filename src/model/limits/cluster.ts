/** Limits of a cluster: waits, and what one command holds. */

const MiB = 1024 * 1024;

/** Parts over which the basins of a cluster are spread: each node has a store of each. */
export const CLUSTER_PARTITIONS_MAX = 16;

/**
 * Commands in a row that do not count. One node publishes one at a time, so that a node that led before leaves one at most:
 * where so many do not count, none will.
 */
export const PASSED_OVER_IN_A_ROW_MAX = 16;

/** Bytes of the writes that one command joins. A single transaction that is larger is a command of its own. */
export const COMMAND_BYTES_MAX = 4 * MiB;

/** After so long without a renewal another node may lead. Whole seconds. */
export const LEADER_TTL_MS = 10_000;

/** How often the node that leads says so. */
export const LEADER_RENEW_MS = 3_000;

/** How often a node looks who leads. */
export const LEADER_POLL_MS = 250;

/** So long after the end of the key, a node that leaves leading to others leads: better than none. */
export const LEADERLESS_MS_MAX = 5_000;

/** How long a node that failed to take over leaves it to others. */
export const TAKE_OVER_PAUSE_MS = 1_000;

/**
 * How long a node waits before it leads one more partition, for each that it leads more than another node; and at most. The
 * others have looked by then.
 */
export const LEAD_STAGGER_MS = 300;
export const LEAD_STAGGER_MS_MAX = 900;

/** How long a node that handed a partition over leaves it to others: all have had their turn by then. */
export const HAND_OVER_PAUSE_MS = LEAD_STAGGER_MS_MAX + TAKE_OVER_PAUSE_MS;

/** How often a node looks whether it leads too many partitions, and how long nothing must have changed before it hands one over. */
export const SPREAD_LOOK_MS = 1_000;
export const SPREAD_SETTLED_MS = 10_000;

/** How often a node looks whether another one has raised the number of partitions. */
export const PARTITIONS_LOOK_MS = 10_000;

/** For so long the place of a basin that was just given out stays, whether or not the basin is there: it is being created. */
export const PLACE_KEPT_MS = 10 * 60 * 1_000;

/** How often a node says how far it is, and after how long without that it is no member. Whole seconds. */
export const MEMBER_RENEW_MS = 3_000;
export const MEMBER_TTL_MS = 10_000;

/** A node that is so many commands behind the one that leads has a problem. */
export const CLUSTER_LAG_NOTED = 10_000;

/** How often a node looks for commands that it was not told of. */
export const FOLLOW_POLL_MS = 500;

/** How long a node that follows takes to catch up before it says that something is not there. */
export const CATCH_UP_MS = 5_000;

/** The log of a partition keeps what nodes may need that were away: the last hour, and no more than so many bytes. */
export const LOG_KEPT_MS = 60 * 60 * 1_000;
export const LOG_KEPT_BYTES = 1024 * MiB;

/** How often what no node needs is removed from the log. */
export const LOG_PURGE_MS = 60_000;

/** How long a node waits that could not join. */
export const JOIN_RETRY_MS = 1_000;

/** A node reads its whole stores so often, to find what is damaged; by so many bytes in a second at most, of all together. */
export const SCRUB_EVERY_MS = 24 * 60 * 60 * 1_000;
export const SCRUB_BYTES_PER_SECOND = 4 * MiB;

/** What is read of it at once, and how long it waits at least before it reads on. */
export const SCRUB_PART_BYTES = MiB / 4;
export const SCRUB_PART_ROWS_MAX = 64;
export const SCRUB_PAUSE_MS = 20;

/** How often a node whose store is damaged looks for another one that has a whole copy. */
export const REPAIR_POLL_MS = 500;

/** How long it waits before it takes another copy: after one that was whole, and after one that failed, twice as long each time. */
export const REPAIR_AGAIN_MS = 10 * 60 * 1_000;
export const REPAIR_RETRY_MS = 2_000;

/** How often a node looks whether the servers of NATS keep data safe. */
export const SERVER_CHECK_MS = 60_000;

/** How long a start waits for the servers of NATS to answer. */
export const CLUSTER_START_MS = 30_000;

// Connections of a node to the replicated log of its cluster.

/** A publish whose answer does not come is resolved within this time, or its outcome is unknown. */
export const PUBLISH_RESOLVE_MS = 10_000;

/** How long one try waits for its answer; and one of more than a few chunks. */
export const PUBLISH_ANSWER_MS = 2_000;
export const PUBLISH_ANSWER_LARGE_MS = 5_000;
export const PUBLISH_LARGE_BYTES = 2_000_000;

/** How long any other call of the log waits. */
export const REPLICATION_CALL_MS = 2_000;

/** How long a start waits until the servers have made a stream: they first elect who leads it. */
export const REPLICATION_OPEN_MS = 15_000;

/** Messages of one command: as much as one request of the largest body may write. JetStream allows 1,000 in a batch. */
export const COMMAND_CHUNKS_MAX = 128;

/** What the monitoring port of a server may answer, and how long it may take. */
export const MONITORING_BYTES_MAX = 4 * MiB;
export const MONITORING_CALL_MS = 2_000;

/** What one node may ask another one in one call, and how long it waits for the answer. */
export const NODE_CALL_BYTES_MAX = 4 * MiB;
export const NODE_CALL_MS = 10_000;

/** A basin that moves: how often a step is tried and after how long, and how long nothing may be copied. */
export const MOVE_TRIES_MAX = 80;
export const MOVE_RETRY_MS = 250;
export const MOVE_STALL_MS = 60_000;

/** How long a session of the page counts where another node knows it. */
export const REMOTE_SESSION_MS = 5_000;

/** Sessions that another node is asked for at a time: a client may show any. */
export const SESSIONS_ASKED_MAX = 100;

/** Requests that wait until their node has followed what they need: a new basin or token, or one that does not exist. */
export const ROUTED_LATE_MAX = 10_000;

/** How often places of basins that are gone are removed. */
export const PLACES_SWEPT_MS = 60 * 60 * 1_000;
