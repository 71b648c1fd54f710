/** The header `S2-Encryption-Key`: the base64 of a key. */

/** The bytes of a key, none when it is not base64 in its usual form. A key is a secret: no message repeats it. */
export function decodeEncryptionKey(header: string): Uint8Array {
  const text = header.trim();
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text ? key : new Uint8Array(0);
}
