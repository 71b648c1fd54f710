/** What a verification found wrong: all of it counted, the first of it kept. */

/** `where` says in words which row, or which stream. */
export interface Fault {
  readonly where: string;
  readonly what: string;
}

const KEPT_MAX = 100;

export class FaultLog {
  readonly kept: Fault[] = [];
  count = 0;

  fault(where: string, what: string): void {
    this.count += 1;
    if (this.kept.length < KEPT_MAX) this.kept.push({ where, what });
  }
}
