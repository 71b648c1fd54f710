/** Whether the basin of requests that name none takes what an SDK sends: it exists, makes streams, and has a template. */

import { TailraceError } from '../src/model/error.ts';
import type { Finding } from './doctor.ts';
import { EXIT, EXIT_CODES } from './exit.ts';
import type { ServerConnection } from './flags/connection.ts';

/** A finding for each thing that is wrong with it, or one that says that nothing is. */
export async function* basinFindings({ client }: ServerConnection): AsyncGenerator<Finding> {
  const caller = await client.whoami().catch(unlessOtlpOnly);
  // A server of an older version does not say which basin it is.
  if (caller?.basin === undefined) return;
  const { basin, default_basin: defaultBasin } = caller;
  const what = `s2://${basin} (${basin === defaultBasin ? 'the default basin' : 'the only basin of this token'})`;
  try {
    const { create_stream_on_append: creates, otlp_default_stream: template } = await client.getBasin(basin);
    let isSound = true;
    if (creates !== true) {
      isSound = false;
      const text = `${what} refuses data for a stream that does not exist: it creates none on append`;
      yield warning(text, `\`tailrace basins reconfigure ${basin} --create-stream-on-append\``);
    }
    if (!template) {
      isSound = false;
      const text = `${what} refuses OTLP data without s2.stream: it has no template for the name of the stream`;
      yield warning(text, `\`tailrace basins reconfigure ${basin} --otlp-default-stream "{service.name}"\``);
    }
    if (isSound) yield sound(`${what} takes data for any stream; without s2.stream it goes to ${template}`);
  } catch (error) {
    if (!(error instanceof TailraceError)) throw error;
    yield refused(error, what, basin);
  }
}

/** A JWT sends OTLP data and may ask nothing: what it is good for was found out before. */
function unlessOtlpOnly(error: unknown): undefined {
  if (error instanceof TailraceError && error.code === 'authn') return undefined;
  throw error;
}

function refused(error: TailraceError, what: string, basin: string): Finding {
  // A token that only sends is as it should be.
  if (error.code === 'permission_denied') return sound(`${what}: this token may not see its configuration`);
  const missing = error.code === 'basin_not_found';
  const text = missing ? `${what} does not exist: who sends there gets a 404` : `${what}: ${error.message}`;
  const fix = missing
    ? `\`tailrace basins create ${basin} --create-stream-on-append --otlp-default-stream "{service.name}"\``
    : 'its log says more';
  return { check: 'basin', level: 'fault', text, fix, code: EXIT_CODES[error.code] };
}

function warning(text: string, fix: string): Finding {
  return { check: 'basin', level: 'warning', text, fix, code: EXIT.ok };
}

function sound(text: string): Finding {
  return { check: 'basin', level: 'ok', text, code: EXIT.ok };
}
