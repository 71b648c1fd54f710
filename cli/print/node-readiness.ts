/** What a node of a cluster that does not lead says of itself at `/readyz`, which needs no token. */

import { type Colors, escapeControls } from './format.ts';

export interface NodeReadiness {
  readonly role: string;
  /** The URL of the node that it takes for the one that leads. */
  readonly leader: string | null;
  readonly problems: readonly string[];
  /** In each partition, where there is more than one. */
  readonly partitions: readonly PartitionReadiness[];
}

interface PartitionReadiness {
  readonly partition: number;
  readonly role: string;
  readonly leader: string | null;
}

/** Undefined for the answer of a server that leads, or is no node of a cluster. */
export function nodeReadinessIn(said: string): NodeReadiness | undefined {
  try {
    const { role, leader, problems, partitions } = JSON.parse(said) as Readonly<Record<string, unknown>>;
    if (typeof role !== 'string') return undefined;
    const known = Array.isArray(problems) ? problems.map(String) : [];
    const parts = Array.isArray(partitions) ? (partitions as PartitionReadiness[]) : [];
    return { role, leader: typeof leader === 'string' ? leader : null, problems: known, partitions: parts };
  } catch {
    return undefined;
  }
}

export function nodeReadinessText(url: string, node: NodeReadiness, colors: Colors): readonly string[] {
  const { role, leader, problems, partitions } = node;
  const [what, fix] =
    leader === null
      ? ['no node leads the cluster', NO_LEADER_FIX]
      : [`${escapeControls(leader)} is to lead the cluster, and does not answer`, 'Ask again in some seconds.'];
  return [
    `${colors.red('!')} ${what}. ${fix}`,
    `the node ${escapeControls(url)}: ${escapeControls(role)}`,
    ...partitions.map((one) => partitionText(one, colors)),
    ...problems.map((problem) => `  ${colors.red('!')} ${escapeControls(problem)}`),
  ];
}

function partitionText({ partition, role, leader }: PartitionReadiness, colors: Colors): string {
  const leads = leader === null ? colors.red('no node is known to lead') : `${escapeControls(leader)} leads`;
  return `  partition ${partition}: ${escapeControls(role)}; ${leads}`;
}

export const NO_LEADER_FIX =
  'Wait some seconds; then see whether the servers of NATS have a majority, and whether every node is drained.';
