/** Calls of the control plane over HTTP, as an S2 client makes them. */

import { call } from './http-call.ts';
import type { TestServer } from './server.ts';

export interface ControlResponse {
  readonly status: number;
  /** The parsed body, or null when it was empty. */
  readonly body: unknown;
  /** What the server did, from `s2-provision-result`. */
  readonly result: unknown;
}

export interface ControlCall {
  readonly basin?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; text is sent unchanged. */
  readonly body?: unknown;
}

export class ControlClient {
  readonly #port: number;
  readonly #token: string;

  constructor({ url, token }: Pick<TestServer, 'url' | 'token'>) {
    this.#port = Number(new URL(url).port);
    this.#token = token;
  }

  /** `target` is method and path, such as `GET /basins/my-basin`; the version prefix is added. */
  async call(target: string, { basin, headers = {}, body }: ControlCall = {}): Promise<ControlResponse> {
    const [method = '', path = ''] = target.split(' ');
    const answer = await call(this.#port, {
      method,
      path: `/v1${path}`,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(basin === undefined ? {} : { 's2-basin': basin }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = answer.body.toString();
    return {
      status: answer.status,
      body: text === '' ? null : (JSON.parse(text) as unknown),
      result: answer.headers['s2-provision-result'],
    };
  }

  /** Status and `code` of a refusal. */
  async refusal(target: string, more: ControlCall = {}): Promise<unknown> {
    const { status, body } = await this.call(target, more);
    const code = typeof body === 'object' && body !== null && 'code' in body ? body.code : undefined;
    return `${status} ${String(code)}`;
  }

  /** Polls until the resource is gone; deletion continues in the background. */
  async untilGone(target: string, more: ControlCall = {}): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      if ((await this.call(target, more)).status === 404) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${target} is still there`);
  }
}
