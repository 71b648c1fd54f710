/** Views: how stored records look to a reader. */

/** `raw` is the record as S2 has it. */
export const VIEWS = ['raw', 'otlp', 'otlp-json', 'message', 'text'] as const;

export type View = (typeof VIEWS)[number];

/** The views whose batches are JSON. */
export type TextView = Exclude<View, 'raw' | 'otlp'>;
