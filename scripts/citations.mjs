/**
 * The house rule about citations: comments and documents cite files of this repository and public documents, nothing else.
 * A reader has no other pages.
 */
import path from 'node:path';

/** A block comment, or a line comment; a slash in a string or a URL begins neither. */
const COMMENT = /(?<=^|\s)\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

const PAGE = /(?<![\w./-])(?:[\w.-]+\/)*[\w-]+\.md\b/g;
const SOURCE = /(?<![\w./-])(?:src|cli|test|scripts|proto)\/[\w./-]*\.(?:[cm]?[jt]s|json|proto)\b/g;
/** A source by its bare name, wherever it lies. */
const BARE_SOURCE = /(?<![\w./-])[\w.-]+\.(?:ts|mjs)\b/g;
const SECTION = /§/g;
/** A section sign may follow an RFC, or another section of it. */
const OF_RFC = /\bRFC \d+,? (?:§[\d.]+(?:,| and| to) )*$/;

/** Codes of requirements and bars. S2 is a product, and S3 another one: that is a bar only where it is cited as one. */
const CODE = /\bR\d{1,2}n?\b|\bS(?:1|[4-9]|1[0-4])n?\b|(?:\(|\b[Ss]peed |\b[Bb]ars? )S3\b/g;
/** scripts/bench/RESULTS.md defines the bars. */
const BARS = /^scripts\/bench\//;

/** A checklist or a numbered issue, in parentheses. */
const OTHER_PAGE = /\((?:[^()]*[,;] )?(?:checklist\b|issue \d+)/g;

const NO_FILE = 'is no file of this repository';

/** Takes all files and returns breaches as `file:line: sentence`. */
export function citations(files) {
  const names = new Set(files.map(({ name }) => name));
  const bareNames = new Set(files.map(({ name }) => path.basename(name)));
  return files
    .filter(({ name, isCode, isQuoting }) => !isQuoting && (isCode || name.endsWith('.md')))
    .flatMap(({ name, text, isCode }) => {
      const isMissing = (cited) => !names.has(cited) && !names.has(path.posix.join(path.dirname(name), cited));
      const isUnknown = (cited) => !bareNames.has(path.basename(cited));
      const found = isCode
        ? [...text.matchAll(COMMENT)].flatMap(({ 0: comment, index }) =>
            [...inProse(comment, isMissing), ...matches(comment, BARE_SOURCE, isUnknown, NO_FILE)].map((one) => ({
              ...one,
              at: index + one.at,
            })),
          )
        : inProse(text, isMissing);
      found.push(...matches(text, PAGE, isUnknown, NO_FILE));
      found.push(
        ...matches(text, CODE, (code) => code.startsWith('R') || !BARS.test(name), 'is a code of another page'),
      );
      return [...new Set(found.map(({ at, says }) => `${name}:${lineOf(text, at)}: ${says}`))];
    });
}

/** What is wrong in a comment or a document. */
function inProse(text, isMissing) {
  return [
    ...matches(text, PAGE, isMissing, NO_FILE),
    ...matches(text, SOURCE, isMissing, NO_FILE),
    ...matches(
      text,
      SECTION,
      (_sign, at) => !OF_RFC.test(plain(text.slice(Math.max(0, at - 80), at))),
      'follows no RFC',
    ),
    ...matches(text, OTHER_PAGE, () => true, 'is another page'),
  ];
}

function matches(text, pattern, isBreach, fault) {
  return [...text.matchAll(pattern)]
    .filter(({ 0: found, index }) => isBreach(found, index))
    .map(({ 0: found, index }) => ({ at: index, says: `${found} ${fault}` }));
}

/** Without the line ends and stars of a comment. */
function plain(text) {
  return text.replaceAll(/\s*\n\s*(?:\*|\/\/)?\s*/g, ' ');
}

function lineOf(text, at) {
  return text.slice(0, at).split('\n').length;
}
