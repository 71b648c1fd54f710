/** Whose share of the memory is used for a request, on every protocol: one caller has one share. */

import { ANYONE, type Principal } from './grant.ts';

/** One string each, made once: it is a key several times in each request, and a new string is hashed again. */
const ofCallers = new WeakMap<Principal, string>();
/** Of the address that came last. */
let last: readonly [address: string, holder: string] = ['', 'address '];

/** Its caller's; without a token, that of the address. */
export function memoryHolder(caller: Principal | undefined, address = ''): string {
  if (caller !== undefined && caller !== ANYONE) return holderOfCaller(caller);
  if (last[0] !== address) last = [address, `address ${address}`];
  return last[1];
}

function holderOfCaller(caller: Principal): string {
  const known = ofCallers.get(caller);
  if (known !== undefined) return known;
  const holder = `caller ${caller.id}`;
  ofCallers.set(caller, holder);
  return holder;
}
