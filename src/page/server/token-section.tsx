/** Access tokens: who has one, what it may do, until when; and issuing, rotating and revoking them. */

import { type Dispatch, type StateUpdater, useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm.tsx';
import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { agoText, countText, millisOf } from '../parts/time.ts';
import { place } from '../state/place.ts';
import { may, who } from '../state/session.ts';
import { listTokens, revokeToken, rotateToken, type TokenEntry } from '../wire/tokens.ts';
import { IssueDialog } from './issue-dialog.tsx';
import { type IssuedSecret, SecretDialog } from './secret-dialog.tsx';
import { SectionSearch } from './section-search.tsx';
import { mayText, whereText } from './token-words.ts';

const EVERY_MS = 10_000;
const SHOWN_MAX = 200;

type OpenDialog =
  | { readonly type: 'issue' }
  | { readonly type: 'secret'; readonly issued: IssuedSecret }
  | { readonly type: 'rotate' | 'revoke'; readonly token: TokenEntry };

export function TokenSection() {
  const caller = who.value;
  const [dialog, setDialog] = useState<OpenDialog | undefined>();
  const find = place.value.query.find ?? '';
  const canList = may('list-access-tokens');
  const { value, error, reload } = usePolled(
    (signal) => (canList && !isOpenServer() ? listTokens(find, SHOWN_MAX, signal) : Promise.resolve(undefined)),
    EVERY_MS,
    [find, canList],
  );
  if (isOpenServer()) {
    return (
      <section class="server-section" aria-label="Tokens">
        <h2>Tokens</h2>
        <p>This server asks for none (--no-auth): everything on this machine may read and write.</p>
      </section>
    );
  }
  return (
    <section class="server-section" aria-label="Tokens">
      <div class="server-bar">
        <h2>Tokens</h2>
        {canList && <SectionSearch part="find" label="Ids that begin with" placeholder="Ids that begin with" />}
        {may('issue-access-token') && (
          <button type="button" class="button primary" onClick={() => setDialog({ type: 'issue' })}>
            Issue a token
          </button>
        )}
      </div>
      {error !== undefined && <Fault error={error} />}
      {value !== undefined && (
        <TokenTable
          tokens={value.access_tokens}
          hasMore={value.has_more}
          find={find}
          own={caller?.id}
          onAsk={setDialog}
        />
      )}
      <Dialogs dialog={dialog} onDialog={setDialog} onChange={reload} />
    </section>
  );
}

function isOpenServer(): boolean {
  return who.value?.root === true && who.value.id === 'anyone';
}

interface TokenTableProps {
  readonly tokens: readonly TokenEntry[];
  readonly hasMore: boolean;
  readonly find: string;
  readonly own: string | undefined;
  onAsk(dialog: OpenDialog): void;
}

function TokenTable({ tokens, hasMore, find, own, onAsk }: TokenTableProps) {
  if (tokens.length === 0) {
    return (
      <p class="muted">
        {find === ''
          ? 'No tokens yet besides the root token. Give each sender and each reader one of its own: then each can be revoked alone.'
          : `No id begins with ${find}.`}
      </p>
    );
  }
  return (
    <>
      <table class="table server-table server-tokens">
        <thead>
          <tr>
            <th scope="col">Token</th>
            <th scope="col">May</th>
            <th scope="col">In</th>
            <th scope="col">Expires</th>
            <th scope="col">
              <span class="unseen">What to do</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => (
            <TokenRow key={token.id} token={token} isOwn={token.id === own} onAsk={onAsk} />
          ))}
        </tbody>
      </table>
      {hasMore && (
        <p class="muted">
          The first {countText(tokens.length)} by id; there are more. Type the beginning of an id to find others.
        </p>
      )}
    </>
  );
}

interface TokenRowProps extends Pick<TokenTableProps, 'onAsk'> {
  readonly token: TokenEntry;
  readonly isOwn: boolean;
}

function TokenRow({ token, isOwn, onAsk }: TokenRowProps) {
  const { id, scope, expires_at, auto_prefix_streams } = token;
  const canRevoke = may('revoke-access-token');
  const bound = boundText(token);
  return (
    <tr>
      <th scope="row" class="mono">
        <span>{id}</span>
        {isOwn && <span class="chip">yours</span>}
      </th>
      <td>{mayText(scope)}</td>
      <td>
        {whereText(scope)}
        {auto_prefix_streams && <span class="muted"> (put before names, and hidden)</span>}
        {bound !== '' && <span class="muted">; {bound}</span>}
      </td>
      <td class="server-expires" title={expires_at ?? undefined}>
        <span class="muted">expires </span>
        {expires_at === null ? 'never' : agoText(Date.now() - millisOf(expires_at))}
      </td>
      <td class="server-actions">
        {canRevoke && may('issue-access-token') && (
          <button
            type="button"
            class="button"
            aria-label={`Rotate ${id}`}
            onClick={() => onAsk({ type: 'rotate', token })}
          >
            Rotate
          </button>
        )}
        {canRevoke && (
          <button
            type="button"
            class="button danger"
            aria-label={`Revoke ${id}`}
            onClick={() => onAsk({ type: 'revoke', token })}
          >
            Revoke
          </button>
        )}
      </td>
    </tr>
  );
}

/** What the server does with the data of its holder. */
function boundText({ stream, resource_attributes, limits }: TokenEntry): string {
  const attributes = Object.entries(resource_attributes).map(([key, value]) => `${key}=${value}`);
  const limited = Object.entries(limits).filter(([, value]) => value !== null);
  return [
    ...(stream === null ? [] : [`data that names no stream goes to ${stream}`]),
    ...(attributes.length === 0 ? [] : [`sets ${attributes.join(', ')}`]),
    ...limited.map(
      ([name, value]) => `${name.replaceAll('_', ' ')} ${typeof value === 'number' ? countText(value) : value}`,
    ),
  ].join('; ');
}

function Dialogs(props: {
  readonly dialog: OpenDialog | undefined;
  readonly onDialog: Dispatch<StateUpdater<OpenDialog | undefined>>;
  onChange(): void;
}) {
  const { dialog, onDialog, onChange } = props;
  // By then that of the secret may have taken its place, which stays.
  const closed = (type: OpenDialog['type']) => () => onDialog((now) => (now?.type === type ? undefined : now));
  const show = (issued: IssuedSecret): void => {
    onDialog({ type: 'secret', issued });
    onChange();
  };
  if (dialog === undefined) return null;
  if (dialog.type === 'issue') return <IssueDialog onIssued={show} onClose={closed('issue')} />;
  if (dialog.type === 'secret') return <SecretDialog issued={dialog.issued} onClose={closed('secret')} />;
  const { id } = dialog.token;
  if (dialog.type === 'revoke') {
    const run = async (): Promise<void> => {
      await revokeToken(id);
      onChange();
    };
    return <Confirm {...revokeTexts(dialog.token)} run={run} onClose={closed('revoke')} />;
  }
  return <RotateDialog id={id} onRotated={show} onClose={closed('rotate')} />;
}

function RotateDialog(props: { readonly id: string; onRotated(issued: IssuedSecret): void; onClose(): void }) {
  const { id, onRotated, onClose } = props;
  const run = async (): Promise<void> => {
    const secret = await rotateToken(id);
    onRotated({ id, secret, verb: 'rotated' });
  };
  return (
    <Confirm
      title={`Rotate ${id}`}
      verb="Rotate"
      what={`${id} gets another secret. The one that it has stops at once: what is open by it ends within a second, and whoever uses it gets 401 until it has the new one.${own(id)}`}
      run={run}
      onClose={onClose}
    />
  );
}

function revokeTexts({ id, scope }: TokenEntry): {
  readonly title: string;
  readonly what: string;
  readonly verb: string;
} {
  return {
    title: `Revoke ${id}`,
    verb: 'Revoke',
    what: `${id} may ${mayText(scope)} for ${whereText(scope)}. It stops at once and for good: what is open by it ends within a second, and whoever uses it gets 401. Tokens that it issued stay.${own(id)}`,
  };
}

function own(id: string): string {
  return who.value?.id === id ? ' You are signed in with it: you will be signed out.' : '';
}
