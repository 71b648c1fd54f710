/**
 * The cluster, on a server that is a node of one: who leads, how far the others follow, and what is wrong. With several
 * partitions also those, and the basins that move between them.
 */

import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { bytesText, countText } from '../parts/time.ts';
import { type ClusterNode, type ClusterPart, cluster, type MovingBasin } from '../wire/server-state.ts';

const EVERY_MS = 5_000;

export function ClusterSection() {
  const { value, error } = usePolled(cluster, EVERY_MS, []);
  // A server by itself has no such section. Where the call fails, how the server does says why.
  if (value === undefined || value.name === null) return null;
  const { name, nodes, partitions, moves } = value;
  const isSpread = partitions.length > 1;
  return (
    <section class="server-section" aria-label="Cluster">
      <h2>Cluster {name}</h2>
      {error !== undefined && <Fault error={error} />}
      <table class="table server-table">
        {isSpread && <caption>Nodes</caption>}
        <Heads titles={['Node', 'Role', ...(isSpread ? ['Leads'] : []), 'Behind', 'Problems']} />
        <tbody>
          {nodes.map((node) => (
            <NodeRow key={node.url} node={node} partitions={isSpread ? partitions : undefined} />
          ))}
        </tbody>
      </table>
      {isSpread && <Partitions partitions={partitions} />}
      {moves.length > 0 && <Moves moves={moves} />}
    </section>
  );
}

function Heads({ titles }: { readonly titles: readonly string[] }) {
  return (
    <thead>
      <tr>
        {titles.map((title) => (
          <th key={title} scope="col">
            {title}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** Which of the partitions it leads is said where there are several. */
interface NodeRowProps {
  readonly node: ClusterNode;
  readonly partitions: readonly ClusterPart[] | undefined;
}

function NodeRow({ node: { url, role, version, lag, draining, problems }, partitions }: NodeRowProps) {
  const led = partitions?.filter(({ leader }) => leader === url).map(({ partition }) => partition);
  return (
    <tr>
      <th scope="row">
        <span class="mono">{url}</span> <span class="muted">{version}</span>
      </th>
      <td>
        {role}
        {draining && ', draining'}
      </td>
      {led !== undefined && <td>{led.length === 0 ? '–' : led.join(', ')}</td>}
      <td>{lag === 0 ? '–' : `${countText(lag)} commands`}</td>
      <Problems problems={problems} />
    </tr>
  );
}

function Partitions({ partitions }: { readonly partitions: readonly ClusterPart[] }) {
  return (
    <table class="table server-table">
      <caption>Partitions</caption>
      <Heads titles={['Partition', 'Leader', 'Basins', 'Problems']} />
      <tbody>
        {partitions.map(({ partition, leader, basins, problems }) => (
          <tr key={partition}>
            <th scope="row">{partition}</th>
            <td>{leader === null ? 'none' : <span class="mono">{leader}</span>}</td>
            <td>{basins === null ? '–' : countText(basins)}</td>
            <Problems problems={problems} />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Moves({ moves }: { readonly moves: readonly MovingBasin[] }) {
  return (
    <table class="table server-table">
      <caption>Basins that move</caption>
      <Heads titles={['Basin', 'From', 'To', 'Phase', 'Copied', 'Problems']} />
      <tbody>
        {moves.map(({ basin, from, to, phase, copied_bytes: copied, problem }) => (
          <tr key={basin}>
            <th scope="row">{basin}</th>
            <td>{from}</td>
            <td>{to}</td>
            <td>{phase}</td>
            <td>{bytesText(copied)}</td>
            <Problems problems={problem === null ? [] : [problem]} />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Problems({ problems }: { readonly problems: readonly string[] }) {
  return <td>{problems.length === 0 ? 'none' : problems.map((problem) => <p key={problem}>! {problem}</p>)}</td>;
}
