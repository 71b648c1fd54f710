/** Descriptions of the calls on the cluster that a server is a node of. */

import { z } from 'zod';
import { CLUSTER_MOVE_PHASES, NODE_ROLES } from '../../model/cluster-state.ts';
import { count } from '../../readers/read-shapes.ts';
import { drainRequest, moveRequest } from '../routes/cluster.ts';
import { answer, BODY_ERRORS, type CallDescription, json } from './call-description.ts';

const problems = z.array(z.string()).meta({ description: 'What is wrong, with the fix.' });

const progress = { role: z.enum(NODE_ROLES), sequence: count, durable_sequence: count, lag: count };

const node = z.object({
  url: z.string(),
  version: z.string(),
  ...progress,
  draining: z.boolean(),
  problems,
  partitions: z.array(z.object({ partition: count, ...progress, damaged: z.boolean() })),
});

const partition = z.object({
  partition: count,
  leader: z.string().nullable(),
  basins: count.nullable().meta({ description: 'How many basins are in it, where the node knows it.' }),
  problems,
});

const move = z.object({
  basin: z.string(),
  from: count,
  to: count,
  phase: z.enum(CLUSTER_MOVE_PHASES).meta({
    description:
      'The basin is in use while it is copied, takes nothing while it is sealed, and is in the new partition from `dropping` on.',
  }),
  copied_bytes: count,
  problem: z.string().nullable().meta({ description: 'Why it does not go on, or why it is given up.' }),
});

const cluster = z
  .object({
    name: z.string().nullable(),
    leader: z.string().nullable().meta({ description: 'Of partition 0.' }),
    nodes: z.array(node),
    partitions: z.array(partition),
    moves: z.array(move).meta({ description: 'Basins on their way, as far as the caller may know.' }),
    place: z
      .object({ basin: z.string(), partition: count.nullable() })
      .optional()
      .meta({ description: 'Where requests about the basin `place_of` go, also when there is no such basin.' }),
  })
  .meta({ id: 'Cluster', description: 'As the node that leads sees it; `name` is null for a server by itself.' });

export const CLUSTER_CALLS = {
  'get-cluster': {
    tag: 'Server',
    summary: 'Get the nodes and partitions of the cluster, and what is wrong with them',
    needs: ['account-metrics'],
    answers: { 200: answer('A server by itself has none.', cluster) },
  },
  'drain-node': {
    tag: 'Server',
    summary: 'Have a node of the cluster lead no more, or again',
    needs: 'root',
    body: { required: true, content: json(drainRequest) },
    answers: { 200: answer('It is known; a node that leads hands over within seconds.', drainRequest) },
    errors: [...BODY_ERRORS, 'invalid', 'not_found'],
  },
  'move-basin': {
    tag: 'Server',
    summary: 'Move a basin to another partition of the cluster',
    about: 'It stays in use, but for some seconds at the end in which it answers with 503.',
    needs: 'root',
    body: { required: true, content: json(moveRequest) },
    answers: { 202: answer('It has begun, and goes on by itself: `get-cluster` shows it.', moveRequest) },
    errors: [...BODY_ERRORS, 'invalid', 'basin_not_found'],
  },
} as const satisfies Readonly<Record<string, CallDescription>>;
