/** `npm run interop -- <name>`: runs real senders against the server, and what readers get against a real Collector. */

import { LANGUAGES } from './languages.ts';
import { runSender } from './sdk-sender.ts';
import { Skipped } from './tool-chain.ts';

interface Form {
  readonly proves: string;
  run(): Promise<void>;
}

const SENDERS = Object.entries(LANGUAGES).map(([name, language]): [string, Form] => {
  const protocols = [...new Set(language.variants.map(({ protocol }) => protocol))].join(', ');
  return [
    name,
    { proves: `the SDK of ${name} over ${protocols}, then with kills`, run: () => runSender(name, language) },
  ];
});

const FORMS: Readonly<Record<string, Form>> = {
  control: {
    proves: 'the comparison notices what is lost, changed, repeated or reordered',
    run: async () => (await import('./control.ts')).run(),
  },
  ...Object.fromEntries(SENDERS),
  collector: {
    proves: 'a Collector over otlp_http in both encodings and otlp_grpc, with every compression, then with kills',
    run: async () => (await import('./collector.ts')).run(),
  },
  files: {
    proves: 'files of a Collector in each of its forms are imported whole, and it takes what is exported',
    run: async () => (await import('./files.ts')).run(),
  },
  store: {
    proves: 'what readers get of a store full of odd data is taken by a Collector',
    run: async () => (await import('./store.ts')).run(),
  },
  outage: {
    proves: 'the Collector snippet of README.md loses nothing while the server is away for a minute',
    run: async () => (await import('./outage.ts')).run(),
  },
  telemetrygen: {
    proves: 'telemetrygen with several workers over HTTP and gRPC',
    run: async () => (await import('./telemetrygen.ts')).run(),
  },
  proxies: {
    proves: 'nginx, Caddy and Envoy with our files pass everything on, and cut no idle reader',
    run: async () => (await import('./proxies.ts')).run(),
  },
  'otlp-transformer': {
    proves: 'what any released version of @opentelemetry/otlp-transformer writes is stored as it was sent',
    run: async () => (await import('./otlp-transformer.ts')).run(),
  },
  package: {
    proves: 'the packed file installs small, and npx runs it from an empty folder',
    run: async () => (await import('./package.ts')).run(),
  },
  image: {
    proves: 'all steps of the Dockerfile in a clean Debian, and a container of what they make',
    run: async () => (await import('./image.ts')).run(),
  },
  deploy: {
    proves: 'the published schemas of Compose and Kubernetes, and the Collector of compose.yaml',
    run: async () => (await import('./deploy.ts')).run(),
  },
  openapi: {
    proves: 'no answer to what schemathesis makes up differs from /openapi.json, and none is a fault of the server',
    run: async () => (await import('./openapi.ts')).run(),
  },
  examples: {
    proves: 'the examples of each language store what they send',
    run: async () => (await import('./examples.ts')).run(),
  },
};

await main(process.argv[2]);

async function main(name: string | undefined): Promise<void> {
  const forms = name === 'all' ? Object.entries(FORMS) : Object.entries(FORMS).filter(([known]) => known === name);
  if (forms.length === 0) {
    const list = Object.entries(FORMS).map(([known, { proves }]) => `  ${known.padEnd(18)}${proves}`);
    process.stderr.write(`npm run interop -- <name>, with one of these names, or all:\n${list.join('\n')}\n`);
    process.exitCode = name === undefined ? 0 : 2;
    return;
  }
  for (const [known, form] of forms) {
    const started = performance.now();
    try {
      await form.run();
      process.stdout.write(`${known}: held (${Math.round((performance.now() - started) / 1000)} s)\n`);
    } catch (error) {
      const isSkipped = error instanceof Skipped;
      process.stdout.write(`${known}: ${isSkipped ? 'skipped' : 'failed'}: ${(error as Error).message}\n`);
      if (!isSkipped) process.exitCode = 1;
    }
  }
}
