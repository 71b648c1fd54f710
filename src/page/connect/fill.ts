/**
 * What the snippets of Connect are filled in with. They are pasted into shells, and the stream and the basin come from a
 * URL that anybody can make: so only names that mean nothing to a shell, an env file or YAML are taken.
 */

/** What the reader of the snippets has, and wants. */
export interface Fill {
  /** Where senders reach the server over HTTP, without a path. */
  readonly endpoint: string;
  /** Where they reach it over gRPC; undefined where they use HTTP. */
  readonly grpcEndpoint: string | undefined;
  readonly stream: string;
  /** What is named in a header; undefined where the token or the server decides. */
  readonly basin: string | undefined;
  readonly token: TokenFill;
}

export type TokenFill =
  /** The server asks for none. */
  | { readonly type: 'none' }
  /** The reader has one of their own. */
  | { readonly type: 'variable' }
  | { readonly type: 'made'; readonly secret: string };

/** Where the sender runs, seen from the server. */
export const ORIGINS = ['here', 'container', 'machine'] as const;
export type SenderOrigin = (typeof ORIGINS)[number];

export const STREAM = 'my-app';
/** Stands for a name that the page cannot know. */
export const OTHER_HOST = 'THIS-MACHINE';
export const GRPC_PORT = 4_317;

const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._/:-]*$/;
const BYTES_MAX = 512;

/** What is wrong with a name for snippets; undefined for nothing. */
export function plainNameFault(name: string): string | undefined {
  if (name === '') return 'It is empty: a stream has a name, such as my-app.';
  if (name.length > BYTES_MAX)
    return `It has ${name.length} characters: a stream's name has at most ${BYTES_MAX} bytes.`;
  if (PLAIN.test(name)) return undefined;
  return 'In the snippets, names have letters, digits and . _ - / : only, and begin with a letter or digit: they are pasted into a shell. Streams of other names are set in a program.';
}

/** Whether an address is only reached from the machine that the server runs on. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** `http://host:port` for a sender that runs elsewhere. `port` replaces that of the page. */
export function endpointFor(pageOrigin: string, from: SenderOrigin, port?: number): string {
  const url = new URL(pageOrigin);
  const { protocol } = url;
  const shown = isLoopback(url.hostname) ? hostFor(url.hostname, from) : url.hostname;
  const shownPort = port === undefined ? url.port : String(port);
  return `${protocol}//${shown}${shownPort === '' ? '' : `:${shownPort}`}`;
}

function hostFor(hostname: string, from: SenderOrigin): string {
  if (from === 'here') return hostname;
  return from === 'container' ? 'host.docker.internal' : OTHER_HOST;
}

/** What stands for the token in a shell. */
export function shellToken(token: TokenFill): string {
  return token.type === 'made' ? token.secret : '$TAILRACE_TOKEN';
}

/** How environment variables are written. */
export const FORMS = ['sh', 'env', 'powershell'] as const;
export type EnvForm = (typeof FORMS)[number];

/** The variables that every SDK of OpenTelemetry reads. */
export function otelVariables(fill: Fill): readonly (readonly [name: string, value: string])[] {
  const headers = [
    ...(fill.token.type === 'none' ? [] : [`Authorization=Bearer%20${shellToken(fill.token)}`]),
    ...(fill.basin === undefined ? [] : [`S2-Basin=${fill.basin}`]),
  ];
  return [
    ['OTEL_EXPORTER_OTLP_ENDPOINT', fill.grpcEndpoint ?? fill.endpoint],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', fill.grpcEndpoint === undefined ? 'http/protobuf' : 'grpc'],
    ...(headers.length === 0 ? [] : [['OTEL_EXPORTER_OTLP_HEADERS', headers.join(',')] as const]),
    ['OTEL_SERVICE_NAME', fill.stream],
    ['OTEL_RESOURCE_ATTRIBUTES', `s2.stream=${fill.stream}`],
  ];
}

/** Values with a token are in quotes for a shell, as the server prints them; an env file takes no quotes. */
export function envText(variables: readonly (readonly [string, string])[], form: EnvForm): string {
  const line = {
    sh: (name: string, value: string) => `export ${name}=${/[%$ ]/.test(value) ? `"${value}"` : value}`,
    env: (name: string, value: string) => `${name}=${value.replace('$TAILRACE_TOKEN', 'YOUR-TOKEN')}`,
    powershell: (name: string, value: string) =>
      `$env:${name} = "${value.replace('$TAILRACE_TOKEN', '$env:TAILRACE_TOKEN')}"`,
  }[form];
  return variables.map(([name, value]) => line(name, value)).join('\n');
}
