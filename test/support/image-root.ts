/**
 * A folder in which the steps of a Dockerfile are performed, and which then runs as a container would: with processes, a
 * network and a file system of its own, and the server as process 1. Needs root and the programs of `NEEDED`.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pairsOf, type Stage, type Step } from './dockerfile.ts';

const NEEDED = ['unshare', 'nsenter', 'chroot', 'mount', 'ip', 'useradd'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** The grace of `docker stop`. */
const STOP_MS_MAX = 10_000;

/** Why no such folder can run here; undefined when it can. */
export function missingForImages(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'root on Linux';
  const missing = NEEDED.find((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  if (missing !== undefined) return missing;
  const unshared = spawnSync('unshare', ['--net', '--pid', '--fork', '--mount', 'ip', 'link', 'set', 'lo', 'up']);
  return unshared.status === 0 ? undefined : 'the right to make namespaces';
}

export interface Ran {
  readonly status: number | null;
  readonly output: string;
}

/** A running container. */
export interface Container {
  /** What `docker exec` does, as the user of the image, with its variables. */
  exec(...command: readonly string[]): Ran;
  /** The user and the group of process 1. */
  owner(): string;
  output(): string;
  /** Resolves when it has printed the text; rejects when it ends before. */
  saw(text: string): Promise<void>;
  /** What `docker stop` does: SIGTERM, and SIGKILL after 10 s. Resolves with the exit code. */
  stop(): Promise<number | null>;
}

export class ImageRoot {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'tailrace-image-'));
  readonly #mounts: string[] = [];
  #child: ChildProcess | undefined;
  readonly #env: Record<string, string> = { PATH };
  #cwd = '/';
  #user = '0:0';

  constructor() {
    // Temporary folders are closed to other users, and this one is the root of theirs.
    chmodSync(this.folder, 0o755);
  }

  /** A base of the programs and libraries of this machine, without its files and users, with the Node that runs this. */
  static ofThisMachine(): ImageRoot {
    const root = new ImageRoot();
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
      if (existsSync(`/usr/${name}`)) root.mount(`/usr/${name}`, `/usr/${name}`);
      symlinkSync(`usr/${name}`, path.join(root.folder, name));
    }
    for (const name of ['etc', 'tmp', 'opt', 'usr/local/bin'])
      mkdirSync(path.join(root.folder, name), { recursive: true });
    writeFileSync(path.join(root.folder, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(path.join(root.folder, 'etc/group'), 'root:x:0:\n');
    if (existsSync('/etc/ld.so.cache')) cpSync('/etc/ld.so.cache', path.join(root.folder, 'etc/ld.so.cache'));
    writeFileSync(path.join(root.folder, 'usr/local/bin/node'), '');
    root.#bind(process.execPath, '/usr/local/bin/node');
    root.mount('/dev', '/dev');
    return root;
  }

  /** Shows a folder of this machine inside, to be read only. */
  mount(from: string, to: string): void {
    mkdirSync(path.join(this.folder, to), { recursive: true });
    this.#bind(from, to);
  }

  #bind(from: string, to: string): void {
    const target = path.join(this.folder, to);
    run('mount', ['--bind', from, target]);
    this.#mounts.push(target);
    run('mount', ['--options', 'remount,bind,ro', target]);
  }

  /**
   * Performs all steps of a stage that change files.
   * @param source the folder that stands for the build context, or for the folder `/build` of the stage that is named
   * @param instead performs a step in another way where it returns true
   */
  perform({ steps }: Stage, source: string, instead: (step: Step) => boolean = () => false): void {
    for (const step of steps) {
      if (!instead(step)) this.#perform(step, source);
    }
  }

  #perform({ name, value, flags }: Step, source: string): void {
    if (name === 'ENV') Object.assign(this.#env, pairsOf(value));
    else if (name === 'USER') this.#user = value;
    else if (name === 'WORKDIR') {
      this.#cwd = value;
      mkdirSync(path.join(this.folder, value), { recursive: true });
    } else if (name === 'RUN') {
      const { status, output } = this.#chroot(`cd ${this.#cwd} && ${value}`, '0:0');
      if (status !== 0) throw new Error(`RUN ${value} ended with ${status}:\n${output}`);
    } else if (name === 'COPY') this.#copy(value, flags.from === undefined ? '' : '/build', source);
  }

  #copy(value: string, below: string, source: string): void {
    const names = value.split(/\s+/);
    const target = path.join(this.folder, path.resolve(this.#cwd, names.pop() ?? ''));
    for (const name of names) {
      const from = path.join(source, path.relative(below === '' ? '' : below, name));
      const isFolder = statSync(from).isDirectory();
      // As COPY does: of a folder it takes what is in it.
      cpSync(from, isFolder ? target : path.join(target, path.basename(from)), {
        recursive: true,
        verbatimSymlinks: true,
      });
    }
  }

  /** Runs a line of shell inside, with the network of this machine. */
  #chroot(line: string, user: string): Ran {
    const inside = ['chroot', `--userspec=${user}`, this.folder, '/bin/sh', '-c', line];
    const { status, stdout, stderr } = spawnSync('unshare', [...this.#isolation(), ...inside], {
      env: { ...this.#env, HOME: '/tmp' },
      encoding: 'utf8',
    });
    return { status, output: `${stdout}${stderr}` };
  }

  /** Arguments of `unshare` for processes of its own, which it shows in /proc; a command follows. */
  #isolation(network: readonly string[] = [], setup = ''): readonly string[] {
    mkdirSync(path.join(this.folder, 'proc'), { recursive: true });
    const script = `mount -t proc proc "$1/proc" && ${setup} shift && exec "$@"`;
    return ['--mount', '--pid', ...network, '--fork', '--kill-child', 'sh', '-c', script, 'sh', this.folder];
  }

  /** Starts what ENTRYPOINT and CMD say, as USER in WORKDIR, as process 1. */
  start(command: readonly string[]): Container {
    const inside = ['chroot', `--userspec=${this.#user}`, this.folder];
    const args = this.#isolation(['--net'], 'ip link set lo up &&');
    const started = ['/usr/bin/env', '-C', this.#cwd, ...command];
    const child = spawn('unshare', [...args, ...inside, ...started], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
    return this.#container(child, inside, () => output);
  }

  #container(child: ChildProcess, inside: readonly string[], output: () => string): Container {
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const pid = (): number =>
      Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ')[0]);
    return {
      exec: (...command) => {
        const args = [
          '--target',
          String(pid()),
          '--mount',
          '--pid',
          '--net',
          ...inside,
          '/usr/bin/env',
          '-C',
          this.#cwd,
        ];
        const { status, stdout, stderr } = spawnSync('nsenter', [...args, ...command], {
          env: this.#env,
          encoding: 'utf8',
        });
        return { status, output: `${stdout}${stderr}` };
      },
      owner: () => {
        const status = readFileSync(`/proc/${pid()}/status`, 'utf8');
        return ['Uid', 'Gid'].map((name) => new RegExp(`^${name}:\\t(\\d+)`, 'm').exec(status)?.[1]).join(':');
      },
      output,
      saw: async (text) => {
        while (!output().includes(text)) {
          if (child.exitCode !== null) throw new Error(`it ended before it said ${text}:\n${output()}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      },
      stop: async () => {
        const server = pid();
        process.kill(server, 'SIGTERM');
        const timer = setTimeout(() => process.kill(server, 'SIGKILL'), STOP_MS_MAX);
        const code = await ended;
        clearTimeout(timer);
        return code;
      },
    };
  }

  /** Ends what is left running, unmounts and removes it. */
  remove(): void {
    this.#child?.kill('SIGKILL');
    for (const mounted of this.#mounts.reverse()) run('umount', ['--lazy', mounted]);
    // A mount that is left would be emptied with it.
    if (!readFileSync('/proc/self/mounts', 'utf8').includes(`${this.folder}/`))
      rmSync(this.folder, { recursive: true });
  }
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, [...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`);
}
