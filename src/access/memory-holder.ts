/** Whose share of the memory is used for a request, on every protocol: one caller has one share. */

import { ANYONE, type Principal } from './grant.ts';

/** Its caller's; without a token, that of the address. */
export function memoryHolder(caller: Principal | undefined, address: string | undefined): string {
  return caller !== undefined && caller !== ANYONE ? `caller ${caller.id}` : `address ${address ?? ''}`;
}
