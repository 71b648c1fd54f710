/** What `apply` would do and `diff` shows: the steps from what a server has to what a file declares. */

import type { Client } from '../../src/client/client.ts';
import type { BasinConfigJson, StreamConfigJson } from '../../src/client/config-json.ts';
import type { TokenJson } from '../../src/client/tokens.ts';
import { basinChange, type DeclaredChange, streamChange, tokenChange } from '../../src/init/declared-change.ts';
import type { Declared, DeclaredToken, InitBasin, InitStream } from '../../src/init/parse-init.ts';
import { TailraceError } from '../../src/model/error.ts';
import { basinConfigRows, streamConfigRows } from '../print/config.ts';
import type { LabelledText } from '../print/format.ts';
import { tokenRows } from '../print/token.ts';

/** One thing that differs or not. */
export interface ShownStep {
  readonly action: 'create' | 'change' | 'keep' | 'delete';
  readonly kind: 'basin' | 'stream' | 'token';
  /** The basin, `basin/stream`, or the id of the token. */
  readonly name: string;
  readonly changes: readonly PlannedChange[];
}

/** One thing that is made, changed, kept or removed. */
export interface PlanStep extends ShownStep {
  /** Set for a token that is made: where its secret goes, if the file says so. */
  readonly token?: DeclaredToken;
  /** Resolves with the secret of a token that was made. */
  run(client: Client): Promise<string | undefined>;
}

/** One setting that gets another value; `from` is undefined in something new. */
export interface PlannedChange {
  readonly setting: string;
  readonly from: string | undefined;
  readonly to: string;
}

/** How many things are looked at, at the same time. */
const AT_ONCE = 16;

/**
 * Looks at everything that is declared, and changes nothing. With `prune` it also finds what is not declared, of each list
 * that the file has; the default basin and the caller's own token always stay.
 */
export async function makePlan(client: Client, declared: Declared, prune: boolean): Promise<readonly PlanStep[]> {
  const me = await client.whoami().catch(() => undefined);
  const basins = await inParts(declared.basins, (basin) => basinSteps(client, basin, prune));
  const tokens = await inParts(declared.tokens, (token) => tokenStep(client, token, me?.root === true));
  const steps = [...basins.flat(), ...tokens];
  if (!prune) return steps;
  const removals = steps.filter(({ action }) => action === 'delete');
  return [
    ...steps.filter(({ action }) => action !== 'delete'),
    ...removals,
    ...(declared.lists.basins ? await strayBasins(client, declared, me?.default_basin) : []),
    ...(declared.lists.tokens ? await strayTokens(client, declared, me?.id) : []),
  ];
}

/** The basin itself, then its streams. */
async function basinSteps(client: Client, basin: InitBasin, prune: boolean): Promise<PlanStep[]> {
  const { name, json, streams } = basin;
  const current = await unlessMissing(() => client.getBasin(name));
  const change = basinChange(basin, current);
  const run = async (to: Client) => void (await to.ensureBasin(name, json as BasinConfigJson));
  const rows = (config: object) => basinConfigRows(config as BasinConfigJson);
  const own = stepOf({ kind: 'basin', name, run }, current === undefined, change, rows);
  const steps = await inParts(streams, (stream) =>
    streamStep(client, basin, stream, change.after, current === undefined),
  );
  const strays = prune && basin.hasStreams && current !== undefined ? await strayStreams(client, basin) : [];
  return [own, ...steps, ...strays];
}

async function streamStep(
  client: Client,
  { name: basin }: InitBasin,
  stream: InitStream,
  around: DeclaredChange['after'],
  isNew: boolean,
): Promise<PlanStep> {
  const { name, json } = stream;
  const current = isNew ? undefined : await unlessMissing(() => client.getStream(name, { basin }));
  const run = async (to: Client) => void (await to.ensureStream(name, json as StreamConfigJson, { basin }));
  const rows = (config: object) => streamConfigRows(config as StreamConfigJson);
  const change = streamChange(stream, around, current);
  return stepOf({ kind: 'stream', name: `${basin}/${name}`, run }, current === undefined, change, rows);
}

/** Another definition takes a new token, because the API cannot change one: the old secret stops. */
async function tokenStep(client: Client, token: DeclaredToken, isRoot: boolean): Promise<PlanStep> {
  const { id } = token.json;
  const current = await tokenNamed(client, id);
  const run = async (to: Client) => {
    if (current !== undefined) await to.revokeToken(id);
    return to.issueToken(token.json as unknown as TokenJson);
  };
  const rows = (shown: object) => ('scope' in shown ? tokenRows(shown as TokenJson) : []);
  const change = tokenChange(token, current, isRoot);
  const step = stepOf({ kind: 'token', name: id, run }, current === undefined, change, rows);
  return step.action === 'keep' ? step : { ...step, token };
}

/** An id is the first of those that begin with it. Servers of S2 have no call for one token. */
async function tokenNamed(client: Client, id: string): Promise<TokenJson | undefined> {
  for await (const token of client.listTokens({ prefix: id })) return token.id === id ? token : undefined;
  return undefined;
}

async function strayStreams(client: Client, { name: basin, streams }: InitBasin): Promise<PlanStep[]> {
  const known = new Set(streams.map(({ name }) => name));
  const steps: PlanStep[] = [];
  for await (const { name, deletedAt } of client.listStreams({ basin })) {
    if (known.has(name) || deletedAt !== undefined) continue;
    const run = async (to: Client) => void (await to.deleteStream(name, { basin }));
    steps.push({ action: 'delete', kind: 'stream', name: `${basin}/${name}`, changes: [], run });
  }
  return steps;
}

async function strayBasins(client: Client, { basins }: Declared, kept: string | undefined): Promise<PlanStep[]> {
  const known = new Set([...basins.map(({ name }) => name), kept]);
  const steps: PlanStep[] = [];
  for await (const { name, deletedAt } of client.listBasins()) {
    if (known.has(name) || deletedAt !== undefined) continue;
    const run = async (to: Client) => void (await to.deleteBasin(name));
    steps.push({ action: 'delete', kind: 'basin', name, changes: [], run });
  }
  return steps;
}

async function strayTokens(client: Client, { tokens }: Declared, own: string | undefined): Promise<PlanStep[]> {
  const known = new Set([...tokens.map(({ json }) => json.id), own]);
  const steps: PlanStep[] = [];
  for await (const { id } of client.listTokens()) {
    if (known.has(id)) continue;
    const run = async (to: Client) => void (await to.revokeToken(id));
    steps.push({ action: 'delete', kind: 'token', name: id, changes: [], run });
  }
  return steps;
}

function stepOf(
  what: Pick<PlanStep, 'kind' | 'name' | 'run'>,
  isNew: boolean,
  { before, after }: DeclaredChange,
  rowsOf: (json: object) => readonly LabelledText[],
): PlanStep {
  if (!isNew && JSON.stringify(before) === JSON.stringify(after)) return { action: 'keep', ...what, changes: [] };
  return { action: isNew ? 'create' : 'change', ...what, changes: changesOf(rowsOf(before), rowsOf(after), isNew) };
}

/** The settings that differ. */
export function changesOf(
  before: readonly LabelledText[],
  after: readonly LabelledText[],
  isNew: boolean,
): readonly PlannedChange[] {
  const [old, wanted] = [byLabel(before), byLabel(after)];
  return [...new Set([...old.keys(), ...wanted.keys()])]
    .filter((setting) => old.get(setting) !== wanted.get(setting) && setting !== 'id')
    .map((setting) => ({
      setting,
      from: isNew ? undefined : (old.get(setting) ?? UNSET),
      to: wanted.get(setting) ?? UNSET,
    }));
}

const UNSET = 'not set';

/** Several rows of one label, as tokens have for their attributes, are one text. */
function byLabel(rows: readonly LabelledText[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [label, text] of rows) texts.set(label, texts.has(label) ? `${texts.get(label)}, ${text}` : text);
  return texts;
}

/** Undefined for a basin or a stream that is not there. */
export async function unlessMissing<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether a call failed because there is no such basin or stream. */
export function isMissing(error: unknown): boolean {
  return error instanceof TailraceError && MISSING.has(error.code);
}

const MISSING: ReadonlySet<string> = new Set(['basin_not_found', 'stream_not_found']);

async function inParts<T, R>(list: readonly T[], look: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < list.length; at += AT_ONCE) {
    results.push(...(await Promise.all(list.slice(at, at + AT_ONCE).map(look))));
  }
  return results;
}
