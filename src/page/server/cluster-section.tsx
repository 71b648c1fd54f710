/** The nodes of the cluster, on a server that is one of them: who leads, how far the others follow, and what is wrong. */

import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { countText } from '../parts/time.ts';
import { type ClusterNode, clusterNodes } from '../wire/server-state.ts';

const EVERY_MS = 5_000;

export function ClusterSection() {
  const { value, error } = usePolled(clusterNodes, EVERY_MS, []);
  // A server by itself has no such section. Where the call fails, how the server does says why.
  if (value === undefined || value.name === null) return null;
  return (
    <section class="server-section" aria-label="Cluster">
      <h2>Cluster {value.name}</h2>
      {error !== undefined && <Fault error={error} />}
      <table class="table server-table">
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">Role</th>
            <th scope="col">Behind</th>
            <th scope="col">Problems</th>
          </tr>
        </thead>
        <tbody>
          {value.nodes.map((node) => (
            <NodeRow key={node.url} node={node} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function NodeRow({ node: { url, role, version, lag, draining, problems } }: { readonly node: ClusterNode }) {
  return (
    <tr>
      <th scope="row">
        <span class="mono">{url}</span> <span class="muted">{version}</span>
      </th>
      <td>
        {role}
        {draining && ', draining'}
      </td>
      <td>{lag === 0 ? '–' : `${countText(lag)} commands`}</td>
      <td>{problems.length === 0 ? 'none' : problems.map((problem) => <p key={problem}>! {problem}</p>)}</td>
    </tr>
  );
}
