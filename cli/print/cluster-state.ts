/** What a cluster looks like as text: who leads, how far the others follow, basins that move, and what is wrong. */

import type { ClusterJson, ClusterMoveJson, ClusterNodeJson, ClusterPartitionJson } from '../../src/client/cluster.ts';
import type { Output } from './console.ts';
import { type Colors, counted, escapeControls, formatBytes } from './format.ts';
import { createTable, type TableCell, type TableColumn, type TableRow } from './table.ts';

type ClusterOutput = Pick<Output, 'isTty' | 'colors' | 'columns'>;

/** Of a cluster with one partition: that is not mentioned. */
const NODES: readonly TableColumn[] = [
  { title: 'NODE' },
  { title: 'ROLE' },
  { title: 'VERSION' },
  { title: 'SEQUENCE', isNumber: true },
  { title: 'ON DISK', isNumber: true },
  { title: 'LAG', isNumber: true },
];

const NODES_OF_MANY: readonly TableColumn[] = [
  { title: 'NODE', cut: 'end' },
  { title: 'ROLE' },
  { title: 'VERSION' },
  { title: 'LEADS', cut: 'end' },
  { title: 'LAG', isNumber: true },
];

const PARTITIONS: readonly TableColumn[] = [
  { title: 'PARTITION', isNumber: true },
  { title: 'LEADER', cut: 'end' },
  { title: 'BASINS', isNumber: true },
];

const MOVES: readonly TableColumn[] = [
  { title: 'MOVES', cut: 'end' },
  { title: 'FROM', isNumber: true },
  { title: 'TO', isNumber: true },
  { title: 'PHASE' },
  { title: 'COPIED', isNumber: true },
];

export function clusterLines(cluster: ClusterJson, output: ClusterOutput): readonly string[] {
  const { name, leader, nodes, partitions } = cluster;
  if (name === null) return ['this server is no node of a cluster'];
  if (partitions.length > 1) return linesOfMany(name, cluster, output);
  const { colors } = output;
  const leads = leader === null ? colors.red('no node is known to lead') : `${escapeControls(leader)} leads`;
  return [
    `cluster ${escapeControls(name)}: ${leads}`,
    ...createTable(NODES, output).lines(nodes.map((node) => nodeRow(node, colors))),
  ];
}

function linesOfMany(name: string, { nodes, partitions, moves }: ClusterJson, output: ClusterOutput): string[] {
  const { colors } = output;
  const table = (columns: readonly TableColumn[], rows: readonly TableRow[]): readonly string[] =>
    rows.length === 0 ? [] : ['', ...createTable(columns, output).lines(rows)];
  const of = (url: string): readonly ClusterPartitionJson[] => partitions.filter(({ leader }) => leader === url);
  const nodeRows = nodes.map((node) => nodeOfManyRow(node, of(node.url), colors));
  return [
    `cluster ${escapeControls(name)}: ${counted(partitions.length, 'partition')} on ${counted(nodes.length, 'node')}`,
    ...table(
      PARTITIONS,
      partitions.map((partition) => partitionRow(partition, colors)),
    ),
    ...table(NODES_OF_MANY, nodeRows),
    ...table(
      MOVES,
      moves.map((move) => moveRow(move, colors)),
    ),
  ];
}

function nodeRow(node: ClusterNodeJson, colors: Colors): TableRow {
  const { url, version, sequence, durable_sequence: durable, lag, problems } = node;
  const cells = [url, roleCell(node, colors), version, String(sequence), String(durable), String(lag)];
  return { cells, below: wrong(problems, colors) };
}

function nodeOfManyRow(node: ClusterNodeJson, led: readonly ClusterPartitionJson[], colors: Colors): TableRow {
  const { url, version, lag, problems } = node;
  const leads = numberRanges(led.map(({ partition }) => partition));
  return { cells: [url, roleCell(node, colors), version, leads, String(lag)], below: wrong(problems, colors) };
}

function roleCell({ role, draining }: ClusterNodeJson, colors: Colors): TableCell {
  const paint = { leading: colors.green, following: (text: string) => text, joining: colors.yellow }[role];
  return [draining ? `${role}, draining` : role, paint ?? colors.yellow];
}

function partitionRow({ partition, leader, basins, problems }: ClusterPartitionJson, colors: Colors): TableRow {
  const led: TableCell = leader ?? ['none', colors.red];
  return { cells: [String(partition), led, String(basins ?? '–')], below: wrong(problems, colors) };
}

function moveRow(move: ClusterMoveJson, colors: Colors): TableRow {
  const { basin, from, to, phase, copied_bytes: copied, problem } = move;
  const cells = [basin, String(from), String(to), phase, formatBytes(copied)];
  return { cells, below: wrong(problem === null ? [] : [problem], colors) };
}

function wrong(problems: readonly string[], colors: Colors): readonly string[] {
  return problems.map((problem) => `  ${colors.red('!')} ${escapeControls(problem)}`);
}

/** Ascending numbers: `0, 2-4`. */
function numberRanges(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const number of numbers) {
    const range = ranges.at(-1);
    if (range?.[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
}
