/** The faults that a verification found: all are counted, the first ones are kept. */

/** `where` names the row or the stream, in words. */
export interface Fault {
  readonly where: string;
  readonly what: string;
}

export const FAULTS_KEPT_MAX = 100;

export class FaultLog {
  readonly kept: Fault[] = [];
  count = 0;

  fault(where: string, what: string): void {
    this.count += 1;
    if (this.kept.length < FAULTS_KEPT_MAX) this.kept.push({ where, what });
  }
}
