/**
 * All connections to one node: those of HTTP/2, which are made when they are needed and replaced when they end or break,
 * and one for each upgrade.
 */

import type { OutgoingHttpHeaders } from 'node:http';
import type { ClientHttp2Stream } from 'node:http2';
import { TailraceError } from '../../model/error.ts';
import { FORWARD_SESSIONS_MAX } from '../../model/limits.ts';
import { type NodeAddress, NodeSession, type NodeSessionDeps } from './node-session.ts';
import { type OpenUpgrade, passUpgrade, type UpgradeEnd } from './pass-upgrade.ts';

/** A request that was sent to a node. */
export interface ForwardedStream {
  readonly stream: ClientHttp2Stream;
  /** Gives it up, so that the node sees no end of its body. May be called twice. */
  reset(): void;
}

/** Lives until it is closed or destroyed. */
export class NodeLink {
  readonly #address: NodeAddress;
  readonly #deps: NodeSessionDeps;
  #sessions: NodeSession[] = [];
  /** How to end those that are open. */
  readonly #upgrades = new Set<() => void>();

  constructor(address: NodeAddress, deps: NodeSessionDeps) {
    this.#address = address;
    this.#deps = deps;
  }

  /** Whether it leads to that node. */
  leadsTo(url: URL): boolean {
    return this.#address.url.origin === url.origin;
  }

  /**
   * Sends the head of a request on a connection that is not known to end.
   * @throws TailraceError `overloaded` when all connections are full, `bad_header` for headers that HTTP/2 cannot send
   */
  send(headers: OutgoingHttpHeaders, endStream: boolean): ForwardedStream {
    const session = this.#withSpace();
    try {
      const stream = session.open(headers, endStream);
      let isReset = false;
      const reset = (): void => {
        if (!isReset) session.reset(stream);
        isReset = true;
      };
      return { stream, reset };
    } catch (cause) {
      throw new TailraceError('bad_header', 'the headers of the request are malformed', { cause });
    }
  }

  /** Connects for an upgrade, and passes bytes on in both directions. */
  upgrade(upgrade: OpenUpgrade, { onFailed, onOver }: UpgradeEnd): void {
    const end = passUpgrade(upgrade, this.#address, {
      onFailed,
      onOver: () => {
        this.#upgrades.delete(end);
        onOver();
      },
    });
    this.#upgrades.add(end);
  }

  /** Takes no more requests; those under way go on. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  endUpgrades(): void {
    for (const end of this.#upgrades) end();
  }

  /** Ends everything. */
  destroy(): void {
    this.endUpgrades();
    for (const session of this.#sessions) session.destroy();
  }

  /** @throws TailraceError `overloaded` */
  #withSpace(): NodeSession {
    const open = this.#sessions.find((session) => session.hasSpace);
    if (open !== undefined) return open;
    this.#sessions = this.#sessions.filter((session) => !session.isOver);
    if (this.#sessions.length >= FORWARD_SESSIONS_MAX) {
      throw new TailraceError('overloaded', 'too many requests go to the node that leads: send again later');
    }
    const session = new NodeSession(this.#address, this.#deps);
    this.#sessions.push(session);
    return session;
  }
}
