/** The completion of words in shells: real shells load the script that the program prints, and ask the program. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CLI_MAIN, runCli, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-completion-'));
  server = await startServer({ dataDir: join(folder, 'data') });
  const run = (...args: string[]) => runCli(args, { server });
  await run('basins', 'create', 'orders-eu', '--create-stream-on-append');
  await run('streams', 'create', 's2://orders-eu/carts/big');
  for (const stream of ['shop', 'shop two', 'web']) await run('streams', 'create', `s2://telemetry/${stream}`);
  await run('tokens', 'issue', 'collector-1', '--ops', 'append');
  await run('context', 'add', 'prod', '--endpoint', server.url, '--without-token', '--no-check');
  await mkdir(join(folder, 'files'));
  for (const name of ['backup one', 'backup-two', 'other']) await writeFile(join(folder, 'files', name), '');
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What the program says for these words, without a shell. */
async function asked(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const result = await runCli(['__complete', ...words], { server, env });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return result.stdout.split('\n').slice(0, -1);
}

const valuesIn = (lines: readonly string[]) => lines.slice(1).map((line) => line.split('\t')[0]);

/** What bash would put in for each line, by the words that readline breaks it into. */
async function bash(...lines: readonly string[]): Promise<string[][]> {
  const script = `
    source <(tailrace completion bash)
    # The tests wait for a busy server, which a person would ask again.
    retry() { local n; for n in 1 2 3 4 5; do _tailrace; [[ \${#COMPREPLY[@]} -gt 0 ]] && return; done; return 0; }
    # As readline does it: blanks end a word, and : and = are words of their own. Quotes are not needed here.
    try() {
      COMP_LINE=$1 COMP_POINT=\${#1} COMP_WORDS=() COMPREPLY=()
      local line=\${1//:/ : }
      read -ra COMP_WORDS <<<"\${line//=/ = }"
      if [[ $1 == *" " ]]; then COMP_WORDS+=(""); fi
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      retry
      printf '%s\\n' "\${COMPREPLY[@]}" --end--
    }
    ${lines.map((line) => `try '${line}'`).join('\n')}`;
  const result = await runShell(script, { server, cwd: join(folder, 'files') });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  const parts = result.stdout.split('--end--\n').slice(0, -1);
  return parts.map((part) => part.split('\n').filter((line) => line !== ''));
}

describe('bash completes', () => {
  test('commands, verbs, flags and their values', async () => {
    const [commands, verbs, flags, choices, joined, none] = await bash(
      'tailrace t',
      'tailrace streams ',
      'tailrace ls --lo',
      'tailrace --color ',
      'tailrace ls --color=al',
      'tailrace nonsense ',
    );
    expect(commands).toEqual(expect.arrayContaining(['tail', 'tokens', 'trim']));
    expect(verbs).toEqual(expect.arrayContaining(['list', 'create', 'get', 'delete']));
    expect(flags).toEqual(['--long']);
    expect(choices).toEqual(['auto', 'always', 'never']);
    expect(joined).toEqual(['always']);
    expect(none?.filter((word) => !word.startsWith('-'))).toEqual([]);
  });

  test('names of streams and basins, also behind the colon at which bash breaks words', async () => {
    const [bare, all, more, colon, scheme, basins, streams, other, listed, moved] = await bash(
      'tailrace tail s',
      'tailrace check-tail shop ',
      'tailrace read shop --no-follow w',
      'tailrace tail s2:',
      'tailrace tail s2://',
      'tailrace ls s2://o',
      'tailrace tail s2://telemetry/w',
      'tailrace tail s2://orders-eu/',
      'tailrace basins get o',
      'tailrace cluster move o',
    );
    expect(bare).toEqual(['shop', 'shop\\ two', 's2://']);
    expect(all?.filter((word) => !word.startsWith('-'))).toEqual([]);
    expect(more).toEqual(['web']);
    expect(colon).toEqual(['//']);
    expect(scheme).toEqual(['//orders-eu/', '//telemetry/']);
    expect(basins).toEqual(['//orders-eu']);
    expect(streams).toEqual(['//telemetry/web']);
    expect(other).toEqual(['//orders-eu/carts/big']);
    expect(listed).toEqual(['orders-eu']);
    expect(moved).toEqual(['orders-eu']);
  });

  test('ids of tokens, and files where files are meant', async () => {
    const [ids, files, flagFiles] = await bash(
      'tailrace tokens revoke c',
      'tailrace verify back',
      'tailrace ls --token-file=ot',
    );
    expect(ids).toEqual(['collector-1']);
    expect(files?.sort()).toEqual(['backup one', 'backup-two']);
    expect(flagFiles).toEqual(['other']);
  });
});

test('zsh and fish get descriptions of commands and flags, and contexts with their servers', async () => {
  expect(await asked(['tai'])).toEqual(['words', expect.stringMatching(/^tail\t\w+/)]);
  expect(await asked(['ls', '--lon'])).toEqual(['words', expect.stringMatching(/^--long\tof streams/)]);
  expect(await asked(['context', 'use', ''])).toEqual(['words', `prod\t${server.url}`]);
  expect(await asked(['ls', '--endpoint', 'http'])).toEqual(['words', `${server.url}\tprod`]);
});

test('every command of the help is completed, and none that the help hides', async () => {
  const help = (await runCli(['--help'])).stdout;
  const shown = [...help.matchAll(/^ {2}([a-z][a-z-]+)(?: \[| <| {2})/gm)].map(([, name]) => name).filter(isCommand);
  expect(valuesIn(await asked([''])).sort()).toEqual(shown.sort());
});

const isCommand = (name: string | undefined) => name !== 'tailrace' && name !== 'help';

const IS_HERE = (shell: string) => spawnSync(shell, ['--version']).error === undefined;

/** A shell with `tailrace` on its path, which runs a script; undefined, with a line that says so, where it is not installed. */
async function inShell(shell: string, script: string): Promise<string | undefined> {
  if (!IS_HERE(shell)) {
    console.log(`${shell} is not installed here: its completion is not tried`);
    return undefined;
  }
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  await rm(join(bin, 'tailrace'), { force: true });
  await symlink(CLI_MAIN, join(bin, 'tailrace'));
  await writeFile(join(folder, `try.${shell}`), script);
  const result = await runShell(`PATH=${bin}:$PATH ${shell} ${join(folder, `try.${shell}`)}`, { server, cwd: folder });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return result.stdout;
}

test('fish completes commands, flags with their values, and names, also behind a quote', async () => {
  const lines = [
    'tailrace ta',
    'tailrace ls --lo',
    'tailrace ls --color=al',
    'tailrace tail sh',
    'tailrace tail "shop t',
  ];
  const out = await inShell(
    'fish',
    `tailrace completion fish | source\n${lines.map((line) => `complete -C '${line}'; echo --end--`).join('\n')}`,
  );
  if (out === undefined) return;
  const found = out.split('--end--\n').map((part) => part.split('\n').map((row) => row.split('\t')[0]));
  expect(found.map((rows) => rows.filter((row) => row !== ''))).toEqual([
    ['tail'],
    ['--long'],
    ['--color=always'],
    ['shop', 'shop two'],
    ['shop two'],
    [],
  ]);
});

test('zsh completes commands, flags and names, as it does behind a key', async () => {
  const lines = ['tailrace ta', 'tailrace ls --lo', 'tailrace tail shop\\ t', 'tailrace tail s2://tele'];
  // A key that completes as the tab does, and shows what is on the line then.
  const out = await inShell(
    'zsh',
    `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; PATH=$PATH; unsetopt beep; autoload -U compinit; compinit -u -D; source <(tailrace completion zsh)"
zpty -w shell 'try() { zle complete-word; print -rn -- "<<$BUFFER>>"; BUFFER=""; }; zle -N try; bindkey "^G" try; print rea""dy'
zpty -r shell seen '*ready*'
${lines.map((line) => `zpty -wn shell '${line}'$'\\a'; zpty -r shell seen '*<<*>>*'; print -r -- "\${\${seen##*<<}%%>>*}"`).join('\n')}
zpty -d shell`,
  );
  if (out === undefined) return;
  expect(out.split('\n').map((line) => line.trimEnd())).toEqual([
    'tailrace tail',
    'tailrace ls --long',
    'tailrace tail shop\\ two',
    'tailrace tail s2://telemetry/',
    '',
  ]);
});

describe('it never complains and never waits:', () => {
  const silent = createServer();

  afterAll(() => void silent.close());

  test('words that mean nothing, no token, and a server that refuses or is not there', async () => {
    for (const words of [
      [],
      ['--'],
      ['--nonsense', 'x', ''],
      ['ls', '--token-file', '-', ''],
      ['tail', '\u001b[31m'],
    ]) {
      await asked(words);
    }
    expect(valuesIn(await asked(['ls', ''], { TAILRACE_TOKEN: 'of-another-server' }))).toEqual([]);
    expect(valuesIn(await asked(['ls', ''], { TAILRACE_ENDPOINT: 'http://127.0.0.1:9' }))).toEqual([]);
    expect(await asked(['ls', ''], { TAILRACE_ENDPOINT: 'ftp://x' })).toEqual(['words']);
  });

  test('a server that does not answer, of which words need nothing', async () => {
    let calls = 0;
    silent.on('connection', () => calls++).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const env = { TAILRACE_ENDPOINT: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` };
    expect(valuesIn(await asked(['ls', '--lon'], env))).toEqual(['--long']);
    expect(calls).toBe(0);
    expect(valuesIn(await asked(['ls', ''], env))).toEqual([]);
    expect(calls).toBe(1);
  });
});

describe('the script for', () => {
  test.each(['zsh', 'fish'])('%s is one that it can read, where it is installed', async (shell) => {
    const { stdout, code } = await runCli(['completion', shell]);
    expect([code, stdout.includes(`tailrace completion ${shell}`)]).toEqual([0, true]);
    const file = join(folder, `completion.${shell}`);
    await writeFile(file, stdout);
    const { error, status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    if (error !== undefined) {
      console.log(`${shell} is not installed here: its script is not tried`);
      return;
    }
    expect([status, stderr]).toEqual([0, '']);
  });

  test('another shell is refused with those that there are', async () => {
    const result = await runCli(['completion', 'tcsh']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('bash, zsh, fish');
  });
});
