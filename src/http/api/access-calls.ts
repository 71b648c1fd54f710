/** Descriptions of the calls on access: tokens, tickets, logins and who the caller is. */

import { z } from 'zod';
import { GRANTED_OPERATIONS } from '../../model/operation.ts';
import { count } from '../../readers/read-shapes.ts';
import { requestShape, set } from '../../s2/token-json.ts';
import { exchanged, request as loginRequest } from '../routes/logins.ts';
import { request as ticketRequest } from '../routes/tickets.ts';
import { request as exchangeRequest, rotation } from '../routes/token-exchange.ts';
import { pageOf } from './basin-calls.ts';
import { answer, BODY_ERRORS, type CallDescription, json, secretAnswer, WRITE_ERRORS } from './call-description.ts';

const time = z.string().meta({ format: 'date-time' });
const operation = z.enum([...GRANTED_OPERATIONS]);
const group = z.object({ read: z.boolean(), write: z.boolean() });
const named = set.meta({ description: 'one by its name, or all that begin so; null is none' });

const token = z
  .object({
    id: z.string(),
    expires_at: time.nullable(),
    auto_prefix_streams: z.boolean(),
    scope: z.object({
      basins: named,
      streams: named,
      access_tokens: named,
      op_groups: z.object({ account: group, basin: group, stream: group }),
      ops: z.array(operation),
    }),
    stream: z.string().nullable(),
    resource_attributes: z.record(z.string(), z.string()),
    limits: z.object({
      profile: z.string().nullable(),
      spans_per_minute: count.nullable(),
      bytes_per_second: count.optional(),
      burst_bytes: count.optional(),
    }),
    prefix: z.string(),
    last_used_at: time.nullable().optional(),
  })
  .meta({ id: 'AccessToken', description: 'What a token may do; never its secret.' });

const tokenRequest = requestShape.meta({ id: 'AccessTokenRequest' });
const issued = z.object({ access_token: z.string() });

/** The root token has no scope, and a session of the page has an end of its own. */
const who = z
  .object({
    ...token.partial().shape,
    id: z.string(),
    root: z.boolean(),
    operations: z.array(operation).optional(),
    session: z.literal(true).optional(),
    session_expires_at: time.optional(),
    default_basin: z.string(),
    basin: z.string(),
    server_version: z.string(),
  })
  .meta({ id: 'Whoami' });

const ACCESS = { tag: 'Access' } as const;

export const ACCESS_CALLS = {
  'list-access-tokens': {
    ...ACCESS,
    summary: 'List access tokens',
    needs: ['list-access-tokens'],
    answers: { 200: answer('Those that the caller may see, by id.', pageOf('access_tokens', token)) },
    errors: ['invalid'],
  },
  'issue-access-token': {
    ...ACCESS,
    summary: 'Issue an access token',
    about: 'A token issues nothing that it does not hold itself.',
    needs: ['issue-access-token'],
    body: { required: true, content: json(tokenRequest) },
    answers: { 201: secretAnswer('Its secret, which is shown this once.', issued) },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, 'invalid', 'resource_already_exists', 'quota_exhausted'],
  },
  'get-access-token': {
    ...ACCESS,
    summary: 'Get an access token',
    needs: ['list-access-tokens'],
    answers: { 200: answer('What it may do.', token) },
    errors: ['invalid', 'access_token_not_found'],
  },
  'revoke-access-token': {
    ...ACCESS,
    summary: 'Revoke an access token',
    needs: ['revoke-access-token'],
    answers: { 204: { description: 'It is void, and what is open by it ends.' } },
    errors: [...WRITE_ERRORS, 'invalid', 'access_token_not_found'],
  },
  'rotate-access-token': {
    ...ACCESS,
    summary: 'Give an access token another secret',
    needs: ['issue-access-token', 'revoke-access-token'],
    answers: { 200: secretAnswer('Its new secret, which is shown this once.', issued) },
    errors: [...WRITE_ERRORS, 'invalid', 'access_token_not_found'],
  },
  whoami: {
    ...ACCESS,
    summary: 'Get who the caller is, and what the caller may do',
    needs: 'any token',
    answers: { 200: answer('The token of the caller, and which basins count.', who) },
  },
  'exchange-token': {
    ...ACCESS,
    summary: 'Exchange an access token for a short-lived one',
    about: 'For senders of OTLP data whose credentials should not last. The access token is in the body.',
    needs: 'nothing',
    body: { required: true, content: json(exchangeRequest) },
    answers: {
      200: secretAnswer(
        'A JWT that may send what the access token may send.',
        z.object({ token: z.string(), projectId: z.string(), expiresAt: time }),
      ),
    },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, 'authn', 'invalid', 'rate_limited'],
  },
  'rotate-signing-key': {
    ...ACCESS,
    summary: 'Rotate the key that signs short-lived tokens',
    needs: 'root',
    body: { required: false, content: json(rotation) },
    answers: {
      200: answer(
        'The new key, and all whose signatures are taken.',
        z.object({
          kid: z.string(),
          created_at: time,
          verifying: z.array(z.object({ kid: z.string(), until: time.nullable() })),
        }),
      ),
    },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, 'invalid', 'rate_limited'],
  },
  'issue-ticket': {
    ...ACCESS,
    summary: 'Issue a single-use ticket for a web page',
    about: 'For one `stream`, or for all with a `prefix`.',
    needs: ['read'],
    body: { required: true, content: json(ticketRequest) },
    answers: { 201: secretAnswer('It works once.', z.object({ ticket: z.string(), expires_at: time })) },
    errors: [...BODY_ERRORS, 'invalid', 'rate_limited'],
  },
  'issue-login': {
    ...ACCESS,
    summary: 'Issue a single-use login for the page of the server',
    needs: 'any token',
    body: { required: false, content: json(loginRequest) },
    answers: { 201: secretAnswer('It works once.', z.object({ login: z.string(), expires_at: time })) },
    errors: [...BODY_ERRORS, 'invalid', 'rate_limited', 'quota_exhausted'],
  },
  'exchange-login': {
    ...ACCESS,
    summary: 'Begin a session with a login',
    needs: 'nothing',
    body: { required: true, content: json(exchanged) },
    answers: {
      200: secretAnswer(
        'The secret of the session, which is sent as a token is.',
        z.object({ access_token: z.string(), expires_at: time }),
      ),
    },
    errors: [...BODY_ERRORS, 'authn', 'invalid', 'rate_limited', 'quota_exhausted'],
  },
  'end-session': {
    ...ACCESS,
    summary: 'End the session of the caller',
    needs: 'any token',
    answers: { 204: { description: 'It is over.' } },
    errors: ['invalid'],
  },
} as const satisfies Readonly<Record<string, CallDescription>>;
