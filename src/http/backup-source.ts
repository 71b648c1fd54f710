/** Backups as the HTTP door sees them: bytes of a file, whoever makes them. */

/** What makes backups. */
export interface BackupSource {
  /** @throws TailraceError `rate_limited` while another is under way, `storage_full`, `storage`, `closed` */
  begin(): Promise<BackupUnderWay>;
}

export interface BackupUnderWay {
  /** When it was taken, in ms. */
  readonly madeAt: number;
  /** The bytes of the file; leaving the loop ends the backup. */
  parts(): AsyncGenerator<Uint8Array>;
  /** Ends it. May be called twice. */
  close(): Promise<void>;
}
