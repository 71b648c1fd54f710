/** A secret from whoever runs the command: from a pipe, or typed without showing. */

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { TailraceError } from '../../src/model/error.ts';
import { EXIT } from '../exit.ts';

/**
 * Reads it whole.
 * @throws TailraceError `config` when there is none, or it is no token
 */
export async function readSecret(prompt: string): Promise<string> {
  const secret = (process.stdin.isTTY === true ? await typed(prompt) : await text(process.stdin)).trim();
  if (secret === '') throw new TailraceError('config', 'no token: pipe it in, as in `… < secret`, or type it');
  // What cannot stand in a header is no token; never show what it was.
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw new TailraceError('config', 'that is no token: it has blanks or more lines');
  return secret;
}

/** A line from the terminal that is not shown. */
function typed(prompt: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  // Behind that, which stops the terminal from showing what is typed: a token that is pasted at once would show.
  process.stderr.write(prompt);
  return new Promise((resolve) => {
    lines.once('SIGINT', () => process.exit(EXIT.interrupted));
    lines.once('close', () => resolve(''));
    lines.question('', (line) => {
      resolve(line);
      lines.close();
      process.stderr.write('\n');
    });
  });
}
