/** Which streams `tail` and `read` are for: one, several by name, all that match a pattern with `*`, or all with a prefix. */

import { TailraceError } from '../../src/model/error.ts';
import type { StreamSelection } from '../../src/model/selection.ts';
import { defaultBasin, formatStreamUri, parseBasinUri, parseStreamUri, type StreamUri } from './names.ts';

/** Several streams of one basin. */
export interface StreamSet {
  readonly basin: string;
  readonly selection: StreamSelection;
}

export const STREAMS_ARGUMENT =
  "s2://basin/stream, or a name in the default basin; several names, or a pattern with * ('shop-*')";

/**
 * Reads the names that were typed; without `*` and `--prefix` one name is one stream.
 * @throws TailraceError `config` with what is wrong with them.
 */
export function parseStreamTarget(
  names: readonly string[],
  prefix: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): StreamUri | StreamSet {
  if (prefix !== undefined) return { basin: prefixBasin(names, env), selection: { prefix } };
  const uris = names.map((name) => parseStreamUri(name, env));
  const [first, second] = uris;
  if (first === undefined) {
    throw new TailraceError('config', "name a stream, such as my-app, several, a pattern ('shop-*'), or use --prefix");
  }
  const pattern = uris.find(({ stream }) => stream.includes('*'));
  if (second === undefined) return pattern === undefined ? first : setOf(pattern, { glob: pattern.stream });
  if (pattern !== undefined) {
    throw new TailraceError('config', `${formatStreamUri(pattern)}: a pattern stands alone; it may hold several *`);
  }
  const other = uris.find(({ basin }) => basin !== first.basin);
  if (other !== undefined) {
    throw new TailraceError(
      'config',
      `${formatStreamUri(other)}: all streams must be in one basin, s2://${first.basin}`,
    );
  }
  return setOf(first, { streams: [...new Set(uris.map(({ stream }) => stream))] });
}

/** As it may be typed again, word for word. */
export function targetWords({ basin, selection }: StreamSet): readonly string[] {
  if ('streams' in selection) return selection.streams.map((stream) => formatStreamUri({ basin, stream }));
  return ['glob' in selection ? formatStreamUri({ basin, stream: selection.glob }) : `s2://${basin}`];
}

/** What a message calls them. */
export function targetText({ basin, selection }: StreamSet): string {
  if ('prefix' in selection) return formatStreamUri({ basin, stream: `${selection.prefix}*` });
  return targetWords({ basin, selection }).join(', ');
}

function setOf({ basin }: StreamUri, selection: StreamSelection): StreamSet {
  return { basin, selection };
}

function prefixBasin(names: readonly string[], env: NodeJS.ProcessEnv): string {
  const [name, second] = names;
  if (name === undefined) return defaultBasin(env);
  if (second === undefined && name.startsWith('s2://')) {
    const { basin, prefix } = parseBasinUri(name);
    if (prefix === '') return basin;
  }
  throw new TailraceError('config', `${name}: beside --prefix only a basin may stand, such as s2://telemetry`);
}
