/**
 * Who sends a request that came through proxies. Anyone can write the headers in which proxies say it, so what they say
 * counts only as far as it was written by proxies that the operator trusts, from the connection backwards.
 */

import { BlockList, isIP, SocketAddress } from 'node:net';
import { PROXY_HOPS_MAX } from '../model/limits.ts';
import { parseAuthority } from './authority.ts';

/** How many proxies are in front of the server, or the addresses and networks that they are in. */
export type TrustedProxySetting = number | readonly string[];

/** The headers that proxies write; names in lower case. */
export interface ProxyHeaders {
  readonly 'x-forwarded-for'?: string | readonly string[] | undefined;
  readonly 'x-forwarded-proto'?: string | readonly string[] | undefined;
  readonly 'x-forwarded-host'?: string | readonly string[] | undefined;
  readonly forwarded?: string | readonly string[] | undefined;
}

/** What trusted proxies say of a request. */
export interface Forwarded {
  /** The address of the sender; that of the nearest proxy which is known, where they do not name one. */
  readonly sender: string;
  /** How the sender addressed the first of them, where they say so. */
  readonly scheme: 'http' | 'https' | undefined;
  readonly host: string | undefined;
}

/** Reads who sends a request, for logs, senders and shares of memory. */
export interface ForwardedReader {
  /** `peer` is the address of the connection. Undefined where the request counts as sent by that. */
  read(peer: string | undefined, headers: ProxyHeaders): Forwarded | undefined;
}

/** Longer than any address with its port, and than any scheme or host. */
const VALUE_CHARS_MAX = 300;

/** Never changes. */
export class TrustedProxies implements ForwardedReader {
  readonly #hops: number;
  readonly #networks: BlockList | undefined;

  /** Addresses and networks as {@link networkFault} lets them through. */
  constructor(setting: TrustedProxySetting) {
    this.#hops = typeof setting === 'number' ? setting : PROXY_HOPS_MAX;
    this.#networks = typeof setting === 'number' ? undefined : blockList(setting);
  }

  /** Undefined where the connection is not that of a trusted proxy, or has no address. */
  read(peer: string | undefined, headers: ProxyHeaders): Forwarded | undefined {
    const first = canonicalAddress(peer ?? '');
    if (first === undefined || !this.#trusts(first)) return undefined;
    const listed = joined(headers['x-forwarded-for']);
    if (listed !== undefined || headers.forwarded === undefined) {
      const { sender } = this.#walk(first, listed ?? '', (element) => element);
      const scheme = schemeIn(firstOf(headers['x-forwarded-proto']));
      return { sender, scheme, host: hostIn(firstOf(headers['x-forwarded-host'])) };
    }
    const { sender, element } = this.#walk(first, joined(headers.forwarded) ?? '', (text) => parameter(text, 'for'));
    return { sender, scheme: schemeIn(parameter(element, 'proto')), host: hostIn(parameter(element, 'host')) };
  }

  /**
   * From the end of a list, to which each proxy adds whom it got the request from: the first address that is no trusted
   * proxy. What is before it may be anything. What is no address ends the walk too.
   */
  #walk(peer: string, list: string, addressIn: (element: string) => string): { sender: string; element: string } {
    let [sender, element, end] = [peer, '', list.length];
    for (let hop = 0; hop < this.#hops && end > 0 && this.#trusts(sender); hop++) {
      const start = startOfLast(list, end);
      const text = list.slice(start, end);
      const address = text.length > VALUE_CHARS_MAX ? undefined : canonicalAddress(addressIn(text));
      if (address === undefined) break;
      [sender, element, end] = [address, text, start - 1];
    }
    return { sender, element };
  }

  #trusts(address: string): boolean {
    return this.#networks?.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') ?? true;
  }
}

/** Why a text names no address or network that may be trusted, as an end of a sentence; undefined when it does. */
export function networkFault(text: string): string | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return 'is no IP address or network';
  if (bits === undefined) return undefined;
  const max = version === 4 ? 32 : 128;
  if (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= max) return undefined;
  if (bits === '0') return 'are all addresses there are, so anyone could claim to be anyone';
  return `needs a number from 1 to ${max} behind the slash`;
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/**
 * The one form of an address in which it is compared and shown: without port, brackets and zone, IPv4 as such also where
 * it is written as IPv6. Undefined for what is none, such as `unknown` and `_hidden` (RFC 7239, section 6).
 */
function canonicalAddress(text: string): string | undefined {
  const [, v4, bracketed] = /^(?:([\d.]+)(?::\d{1,5})?|\[([^\]]+)\](?::\d{1,5})?)$/.exec(text.trim()) ?? [];
  const bare = (v4 ?? bracketed ?? text.trim()).replace(/%.*$/, '');
  const version = isIP(bare);
  if (version !== 6) return version === 4 ? bare : undefined;
  return new SocketAddress({ address: bare, family: 'ipv6' }).address.replace(/^::ffff:(?=[\d.]+$)/, '');
}

/**
 * Where the last element of a list begins that ends at `end`. Commas within quotes are none of the list. It is read from
 * the end, because a sender may have left a quote open before what the proxies added.
 */
function startOfLast(list: string, end: number): number {
  let isQuoted = false;
  for (let at = end - 1; at >= 0; at--) {
    const char = list[at];
    if (char === '"') isQuoted = !isQuoted;
    else if (char === ',' && !isQuoted) return at + 1;
  }
  return 0;
}

/** A parameter of an element of `Forwarded` (RFC 7239, section 4), without its quotes; empty when it is not there. */
function parameter(element: string, name: string): string {
  for (const pair of element.split(';')) {
    const [, key = '', quoted, plain = ''] = /^\s*([^=\s]+)=(?:"([^"\\]*)"|([^\s"]*))\s*$/.exec(pair) ?? [];
    if (key.toLowerCase() === name) return quoted ?? plain;
  }
  return '';
}

function schemeIn(text: string): Forwarded['scheme'] {
  const scheme = text.toLowerCase();
  return scheme === 'http' || scheme === 'https' ? scheme : undefined;
}

function hostIn(text: string): string | undefined {
  return text.length <= VALUE_CHARS_MAX && parseAuthority(text) !== undefined ? text : undefined;
}

/** Node joins headers that come several times. */
function joined(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'object' ? header.join(',') : header;
}

/** Of a list the one that the sender used. */
function firstOf(header: string | readonly string[] | undefined): string {
  return (joined(header) ?? '').split(',', 1)[0]?.trim() ?? '';
}
