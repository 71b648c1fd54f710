/** Durations, bytes and other numbers with their unit, as people say them; the same words as on a terminal. */

/** Units of time of UCUM, which metrics use, in milliseconds. */
const TIME_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  min: 6e4,
  h: 36e5,
  d: 864e5,
};
const BYTES: Readonly<Record<string, number>> = { By: 1, KiBy: 1024, MiBy: 1024 ** 2, GiBy: 1024 ** 3, kBy: 1e3 };
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `420 µs`, `111 ms`, `2.43 s`, `1 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 0) return `-${durationText(-ms)}`;
  if (ms === 0) return '0 s';
  if (ms < 0.001) return `${numberText(Math.round(ms * 1e6))} ns`;
  if (ms < 0.9995) return `${Number((ms * 1e3).toPrecision(3))} µs`;
  if (ms < 999.5) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1e3).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1e3);
  if (seconds < 3_600) return twoParts(seconds, 'min', 's');
  return twoParts(Math.round(seconds / 60), 'h', 'min');
}

/** `175 MiB`, `2.43 s`, `1,042 orders`, `12 %`. */
export function quantityText(value: unknown, unit: string): string {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return value === undefined ? 'no value' : String(value);
  const [base = '', ...per] = unit.split('/');
  const rate = per.length === 0 ? '' : `/${per.join('/')}`;
  const time = TIME_MS[base];
  if (time !== undefined) return `${durationText(number * time)}${rate}`;
  const bytes = BYTES[base];
  if (bytes !== undefined) return `${binaryBytesText(number * bytes)}${rate}`;
  const thing = /^\{(.+)\}$/.exec(base)?.[1];
  if (thing !== undefined)
    return `${numberText(number)} ${thing}${number === 1 || thing.endsWith('s') ? '' : 's'}${rate}`;
  return base === '' || base === '1' ? `${numberText(number)}${rate}` : `${numberText(number)} ${base}${rate}`;
}

/** `1,042`, `13.77`, `6.022e+23`. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return String(Number(value.toPrecision(4)));
  return (Number.isInteger(value) || size >= 1e4 ? Math.round(value) : Number(value.toPrecision(4))).toLocaleString(
    'en-US',
  );
}

function binaryBytesText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  for (; Math.abs(size) >= 1_024 && unit < BYTE_UNITS.length - 1; unit++) size /= 1_024;
  return `${Number(size.toPrecision(size >= 1_000 ? 4 : 3))} ${BYTE_UNITS[unit]}`;
}

function twoParts(value: number, unit: string, small: string): string {
  const rest = value % 60;
  return `${Math.floor(value / 60)} ${unit}${rest === 0 ? '' : ` ${rest} ${small}`}`;
}
