/**
 * Every limit of Tailrace. A limit that users may set is a setting in `config.ts` with the value here as its default; the
 * others are fixed here.
 */

export * from './limits/access.ts';
export * from './limits/cluster.ts';
export * from './limits/connections.ts';
export * from './limits/readers.ts';
export * from './limits/requests.ts';
export * from './limits/store.ts';
