/**
 * The audit log: one line for every action of the control plane, whatever its outcome, and for every refused
 * authorization. The lines are those of the ordinary log with `audit: true`; they hold names and ids, never a secret.
 */

import { randomUUID } from 'node:crypto';
import type { Clock } from '../model/clock.ts';
import type { ErrorCode, TailraceError } from '../model/error.ts';
import { AUDIT_REFUSALS_PER_SECOND_MAX } from '../model/limits.ts';
import type { Operation } from '../model/operation.ts';
import { type AuditLine, AuditLines, type NewestLines } from './audit-lines.ts';
import type { Logger } from './logger.ts';

/** Actions that S2 has no operation for. */
type OwnAction =
  | 'aggregate'
  | 'ensure-basin'
  | 'ensure-stream'
  | 'rotate-access-token'
  | 'exchange-token'
  | 'rotate-signing-key'
  | 'issue-ticket'
  | 'issue-login'
  | 'exchange-login'
  | 'end-session'
  | 'confirm-clock'
  | 'drain-node'
  | 'move-basin'
  | 'apply-init-file'
  | 'make-root-token'
  | 'reset-root-token'
  | 'whoami'
  | 'list-audit'
  | 'list-readers'
  | 'health'
  | 'page'
  | 'unrouted';

/** What a request does: S2's operation where there is one. */
export type AuditAction = Exclude<Operation, 'maintain'> | OwnAction;

/**
 * Whether an action is written down `always`, or only when it is `refused`, as lists, gets and data are. `fence` and
 * `trim` are records, but they change who may write, and which records are left.
 */
const AUDIT_ACTIONS = {
  'list-basins': 'refused',
  'list-access-tokens': 'refused',
  'account-metrics': 'refused',
  'list-locations': 'refused',
  'get-default-location': 'refused',
  'create-basin': 'always',
  'delete-basin': 'always',
  'reconfigure-basin': 'always',
  'ensure-basin': 'always',
  'issue-access-token': 'always',
  'revoke-access-token': 'always',
  'rotate-access-token': 'always',
  'exchange-token': 'always',
  'rotate-signing-key': 'always',
  'issue-ticket': 'always',
  'issue-login': 'always',
  'exchange-login': 'always',
  'end-session': 'always',
  'set-default-location': 'always',
  'get-basin-config': 'refused',
  'list-streams': 'refused',
  'basin-metrics': 'refused',
  'create-stream': 'always',
  'delete-stream': 'always',
  'reconfigure-stream': 'always',
  'ensure-stream': 'always',
  'get-stream-config': 'refused',
  'check-tail': 'refused',
  read: 'refused',
  aggregate: 'refused',
  'stream-metrics': 'refused',
  append: 'refused',
  trim: 'always',
  fence: 'always',
  backup: 'always',
  'confirm-clock': 'always',
  'drain-node': 'always',
  'move-basin': 'always',
  'apply-init-file': 'always',
  'make-root-token': 'always',
  'reset-root-token': 'always',
  whoami: 'refused',
  'list-audit': 'refused',
  'list-readers': 'refused',
  health: 'refused',
  page: 'refused',
  unrouted: 'refused',
} as const satisfies Readonly<Record<AuditAction, 'always' | 'refused'>>;

/** The protocol of the request; `start` is the server itself, when it starts. */
export const AUDIT_PROTOCOLS = ['http', 'otlp', 'grpc', 's2s', 'sse', 'websocket', 'start'] as const;
export type AuditProtocol = (typeof AUDIT_PROTOCOLS)[number];

/** Who does what to what. */
export interface AuditSubject {
  readonly action: AuditAction;
  readonly protocol: AuditProtocol;
  /**
   * Id of a token, `root`, `anyone` without authentication, `none` without a credential, `unknown` for an unknown one.
   */
  readonly principal: string;
  /** Of a token; never reused, so that two tokens with the same id differ. */
  readonly principalNumber?: number | undefined;
  readonly basin?: string | undefined;
  /** Absolute. */
  readonly stream?: string | undefined;
  readonly tokenId?: string | undefined;
  /** Address of the sender. */
  readonly sender?: string | undefined;
  readonly correlationId?: string | undefined;
  /** When it was done, if that is not now: milliseconds since the epoch. */
  readonly doneAt?: number | undefined;
}

const SECOND_MS = 1_000;

/**
 * Writes the lines: every action, and a limited number of refusals a second; then how many more there were. The last ones
 * are kept.
 */
export class Audit {
  /** When it began: milliseconds since the epoch. */
  readonly since: number;
  /** Tells its lines apart from those of other processes. */
  readonly instance = randomUUID();
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #kept = new AuditLines();
  #since = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #heldBack = 0;
  #cancel = (): void => {};

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
    this.since = clock.now();
  }

  /** Writes the outcome of an action: done, or `error`. Call it once for each action, when the outcome is known. */
  write(subject: AuditSubject, error?: TailraceError): void {
    if (!isWritten(subject.action, error)) return;
    const outcome = outcomeOf(error);
    // Strangers could fill the log with failures too.
    const isCheap = outcome === 'refused' || (outcome === 'failed' && isStranger(subject));
    if (isCheap && !this.#takeSpace()) return;
    const { action, protocol, principal, principalNumber, basin, stream, tokenId, sender, correlationId, doneAt } =
      subject;
    const done = doneAt === undefined ? undefined : new Date(doneAt).toISOString();
    const fields = {
      ...{ audit: true, action, outcome, error: error?.code, principal, principalNumber, basin, stream, tokenId },
      ...{ protocol, sender, correlationId, reason: error?.message, doneAt: done },
    };
    const names = { principal, principal_number: principalNumber, basin, stream, token_id: tokenId };
    const from = { protocol, sender, correlation_id: correlationId, done_at: done };
    this.#keep({ action, outcome, error: error?.code, reason: error?.message, ...names, ...from }, isCheap);
    const message = `audit: ${action} ${outcome}`;
    if (outcome === 'refused') this.#logger.warn(fields, message);
    else this.#logger.info(fields, message);
  }

  /** Of the lines that are kept, so many. */
  newest(most: number): NewestLines {
    return this.#kept.newest(most);
  }

  /** Writes how many refusals were held back, if any. May be called twice. */
  close(): void {
    this.#tellHeldBack();
  }

  /** Whether one more refusal may be written in this second; otherwise it is counted. */
  #takeSpace(): boolean {
    const now = this.#clock.monotonicMs();
    if (now - this.#since >= SECOND_MS) {
      this.#tellHeldBack();
      this.#since = now;
      this.#lines = 0;
    }
    if (this.#lines < AUDIT_REFUSALS_PER_SECOND_MAX) {
      this.#lines++;
      return true;
    }
    if (this.#heldBack === 0) {
      this.#cancel = this.#clock.timer(this.#since + SECOND_MS - now, () => this.#tellHeldBack());
    }
    this.#heldBack++;
    return false;
  }

  #tellHeldBack(): void {
    this.#cancel();
    if (this.#heldBack === 0) return;
    const told = { action: 'refusals-held-back', outcome: 'refused', count: this.#heldBack };
    this.#heldBack = 0;
    const message = `${told.count} more were refused, faster than is written down one by one`;
    this.#keep({ ...told, reason: message }, true);
    this.#logger.warn({ audit: true, ...told }, `audit: ${message}`);
  }

  #keep(line: AuditLine, isCheap: boolean): void {
    this.#kept.add({ time: new Date(this.#clock.now()).toISOString(), ...line }, isCheap);
  }
}

/**
 * Whether the outcome of an action is written: cheap, so that data requests need not make a line that is not written.
 */
export function isWritten(action: AuditAction, error: TailraceError | undefined): boolean {
  return AUDIT_ACTIONS[action] === 'always' || (error !== undefined && isAboutAccess(error));
}

/** Whether an error is a refused authorization. */
export function isAboutAccess({ code }: { readonly code: ErrorCode }): boolean {
  return code === 'authn' || code === 'permission_denied';
}

function outcomeOf(error: TailraceError | undefined): 'done' | 'refused' | 'failed' {
  if (error === undefined) return 'done';
  return isAboutAccess(error) ? 'refused' : 'failed';
}

function isStranger({ principal, principalNumber }: AuditSubject): boolean {
  return principalNumber === undefined && (principal === NOBODY || principal === UNKNOWN);
}

/** Principals without a credential, and with an unknown one. */
export const NOBODY = 'none';
export const UNKNOWN = 'unknown';
