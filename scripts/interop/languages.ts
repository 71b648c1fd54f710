/** The SDKs of other languages: how their sender is built and called, and what their exporters can do. */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { built, type Command, filesIn, needPrograms, sourcesOf } from './tool-chain.ts';

export interface Variant {
  readonly protocol: 'http/protobuf' | 'http/json' | 'grpc';
  readonly compression: 'none' | 'gzip' | 'deflate';
}

export interface Language {
  readonly variants: readonly Variant[];
  /** Protocols in which its exporter does not decode headers, although the specification says so. */
  readonly undecoded?: readonly string[];
  /** More variables for the sender. */
  readonly env?: Readonly<Record<string, string>>;
  /** @throws Skipped when it cannot be built here */
  build(): Promise<Command>;
}

const PROTOBUF_AND_GRPC: readonly Variant[] = (['http/protobuf', 'grpc'] as const).flatMap((protocol) => [
  { protocol, compression: 'none' as const },
  { protocol, compression: 'gzip' as const },
]);
const JSON_TOO: readonly Variant[] = [...PROTOBUF_AND_GRPC, { protocol: 'http/json', compression: 'none' }];

const DENO = 'deno@2.9.6';

export const LANGUAGES = {
  python: {
    variants: [...PROTOBUF_AND_GRPC, { protocol: 'http/protobuf', compression: 'deflate' }],
    async build() {
      needPrograms('python3');
      const folder = await built('python', filesIn(sourcesOf('python')), (step) => {
        step('python3', '-m', 'venv', 'environment');
        step('environment/bin/pip', 'install', '--quiet', '--requirement', 'requirements.txt');
      });
      return { file: path.join(folder, 'environment/bin/python'), args: [path.join(folder, 'sender.py')] };
    },
  },
  go: {
    variants: PROTOBUF_AND_GRPC,
    env: { OTEL_METRIC_EXPORT_INTERVAL: '3600000' },
    async build() {
      needPrograms('go');
      const folder = await built('go', filesIn(sourcesOf('go')), (step) => {
        step('go', 'build', '-mod=mod', '-o', 'sender', '.');
      });
      return { file: path.join(folder, 'sender'), args: [] };
    },
  },
  java: {
    variants: PROTOBUF_AND_GRPC,
    env: { OTEL_METRIC_EXPORT_INTERVAL: '3600000' },
    async build() {
      needPrograms('mvn', 'javac', 'java');
      const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies';
      const folder = await built('java', filesIn(sourcesOf('java')), (step) => {
        step('mvn', '--quiet', '--batch-mode', plugin, '-DoutputDirectory=lib');
        step('javac', '-encoding', 'UTF-8', '-cp', 'lib/*', '-d', 'classes', 'Sender.java');
      });
      const classes = ['classes', 'lib/*'].map((name) => path.join(folder, name)).join(':');
      return { file: 'java', args: ['-cp', classes, 'Sender'] };
    },
  },
  rust: {
    variants: JSON_TOO,
    async build() {
      needPrograms('cargo');
      const folder = await built('rust', filesIn(sourcesOf('rust')), (step) => step('cargo', 'build', '--quiet'));
      return { file: path.join(folder, 'target/debug/sender'), args: [] };
    },
  },
  deno: {
    variants: [
      { protocol: 'http/protobuf', compression: 'none' },
      { protocol: 'http/json', compression: 'none' },
      { protocol: 'grpc', compression: 'none' },
    ],
    undecoded: ['grpc'],
    env: { OTEL_DENO: 'true', OTEL_METRIC_EXPORT_INTERVAL: '500' },
    async build() {
      needPrograms('npm');
      // npm brings Deno as a package of the platform, next to one that only looks for it.
      const folder = await built('deno', { 'package.json': '{}', version: DENO }, (step) => {
        step('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', DENO);
      });
      const platform = path.join(folder, 'node_modules/@deno');
      const [name = 'none'] = readdirSync(platform);
      const args = ['run', '--allow-all', '--quiet', '--node-modules-dir=manual', sourcesOf('deno/sender.mjs')];
      return { file: path.join(platform, name, 'deno'), args };
    },
  },
} as const satisfies Readonly<Record<string, Language>>;
