/** The comparison notices what it is there for: a proxy that loses, changes, repeats or reorders is found out, whatever the server does. */

import { field, fixed64 } from '../../test/support/otlp-wire.ts';
import { Capture, type CaptureOptions } from './capture.ts';
import { compareWithReader } from './comparison.ts';
import { expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';

const REQUESTS = 3;

interface Fault {
  readonly name: string;
  /** What the proxy makes of the second of the requests. */
  make(body: Buffer): readonly Buffer[];
  /** What the comparison says. */
  readonly noticed: RegExp;
}

const NOT_SENT = /record 3 of control is not what was sent/;
const FAULTS: readonly Fault[] = [
  { name: 'one item is lost', make: () => [request(1, [0, 2])], noticed: NOT_SENT },
  { name: 'items change places', make: () => [request(1, [0, 2, 1])], noticed: NOT_SENT },
  {
    name: 'one character changes',
    make: (body) => [Buffer.from(body.toString('latin1').replace('line 1.1', 'line 1.x'), 'latin1')],
    noticed: NOT_SENT,
  },
  {
    name: 'a field that no schema knows is lost',
    make: () => [request(1, [0, 1, 2], false)],
    noticed: NOT_SENT,
  },
  { name: 'a request comes twice', make: (body) => [body, body], noticed: /record 6 of control is not what was sent/ },
  {
    name: 'a request comes in place of another',
    make: () => [request(2, [0, 1, 2])],
    noticed: /record 3 of control overtakes what was sent before/,
  },
  { name: 'a request is lost', make: () => [Buffer.alloc(0)], noticed: /record 3 of control overtakes/ },
  {
    name: 'the last request is lost',
    make: (body) => [body],
    noticed: /1 acknowledged requests are missing in control/,
  },
];

export async function run(): Promise<void> {
  const unchanged = await compared((body) => [body]);
  expectThat(unchanged === '', `what is unchanged compares equal: ${unchanged}`);
  for (const { name, make, noticed } of FAULTS) {
    const isLast = name.startsWith('the last');
    const found = await compared((body, index) => {
      if (isLast && index === REQUESTS - 1) return [Buffer.alloc(0)];
      return index === 1 ? make(body) : [body];
    });
    expectThat(noticed.test(found), `the comparison notices that ${name}, not "${found}"`);
  }
  report(`control: ${FAULTS.length} faults of a proxy are noticed`);
}

/** Sends through a proxy with that fault; the complaint of the comparison, or nothing. */
async function compared(alter: NonNullable<CaptureOptions['alter']>): Promise<string> {
  const server = await RestartableServer.start();
  const capture = await Capture.start({ ports: server.ports, alter });
  try {
    for (let number = 0; number < REQUESTS; number++) {
      const { status } = await fetch(`${capture.httpUrl}/v1/logs`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/x-protobuf' },
        body: request(number, [0, 1, 2]),
      });
      expectThat(status === 200, `the request is answered with 200, not ${status}`);
    }
    return await compareWithReader(capture.sent, server).then(
      () => '',
      (error: Error) => error.message,
    );
  } finally {
    capture.close();
    await server.stop();
  }
}

/** A request with these items, each with a field that no schema knows. */
function request(number: number, items: readonly number[], hasUnknown = true): Buffer {
  const name = field(1, [...field(1, 's2.stream'), ...field(2, field(1, 'control'))]);
  const records = items.flatMap((item) =>
    field(2, [
      ...fixed64(1, 1_700_000_000_000_000_000n + BigInt(item)),
      ...field(5, field(1, `line ${number}.${item}`)),
      ...(hasUnknown ? field(1_000, 'from the future') : []),
    ]),
  );
  return Buffer.from(field(1, [...field(1, name), ...field(2, records)]));
}
