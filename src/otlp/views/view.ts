/** The ways to look at a record (otlp.md, Views): one stored form, five views, nothing stored twice. */

export const VIEWS = ['raw', 'otlp', 'otlp-json', 'message', 'text'] as const;
export type View = (typeof VIEWS)[number];
