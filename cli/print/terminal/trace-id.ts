/** The trace id at the end of a record: its beginning, and a link where the terminal takes one. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import type { LayoutTerminal } from './layout-options.ts';
import { someText } from './printable.ts';
import type { TerminalEntry } from './terminal-entry.ts';

const TRACE_ID_SHOWN = 8;

const TERMS = /^(xterm-kitty|xterm-ghostty|alacritty|foot|wezterm|contour)/;
const PROGRAMS = new Set(['iTerm.app', 'WezTerm', 'vscode', 'ghostty', 'Hyper', 'rio', 'Tabby', 'mintty']);
/** VTE, on which many terminals are built, has links from 0.50 on. */
const VTE_FIRST = 5_000;

/** Adds it to the main line. */
export function addTraceId(row: MessageRow, entry: TerminalEntry, { colors, traceUrl }: LayoutTerminal): void {
  const id = someText(row.traceId);
  // An id is in hexadecimal digits: what is anything else is not printed, least of all in a link.
  if (id === undefined || !/^[\da-f]+$/i.test(id)) return;
  const paint = (text: string) => (traceUrl === undefined ? colors.dim(text) : link(traceUrl(id), colors.dim(text)));
  entry.main.put(`⟨${id.slice(0, TRACE_ID_SHOWN)}⟩`, { paint, gap: ' ' });
}

/** Whether a terminal takes links (OSC 8), as far as its environment tells: one that does not may show the address. */
function takesLinks(env: NodeJS.ProcessEnv): boolean {
  if (env.FORCE_HYPERLINK !== undefined) return env.FORCE_HYPERLINK !== '0';
  if (env.TERM === 'dumb' || env.CI !== undefined) return false;
  // A multiplexer forwards links only when it is told to.
  if (env.TMUX !== undefined || env.STY !== undefined) return false;
  if (PROGRAMS.has(env.TERM_PROGRAM ?? '') || TERMS.test(env.TERM ?? '')) return true;
  return Number(env.VTE_VERSION ?? 0) >= VTE_FIRST || env.WT_SESSION !== undefined || env.KONSOLE_VERSION !== undefined;
}

/**
 * Where a trace id leads: to the address in TAILRACE_TRACE_URL, in which `{trace_id}` stands for it, else to the server.
 * Undefined where the terminal takes no links.
 */
export function traceLinks(endpoint: string, env: NodeJS.ProcessEnv): ((traceId: string) => string) | undefined {
  if (!takesLinks(env)) return undefined;
  const template = env.TAILRACE_TRACE_URL || `${endpoint.replace(/\/$/, '')}/#trace={trace_id}`;
  return (traceId) => {
    const url = template.replaceAll('{trace_id}', traceId);
    // As URLs are written, without anything that a terminal could take for the end of the link.
    return URL.canParse(url) ? new URL(url).href : '';
  };
}

/** A hyperlink (OSC 8); the address holds no control character, because URLs have none. */
function link(url: string, text: string): string {
  return `\u001b]8;;${url}\u001b\\${text}\u001b]8;;\u001b\\`;
}
