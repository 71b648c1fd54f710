/**
 * `npm run release`: publishes this version to npm and tags it, or says all that speaks against it. Runs in a job of CI,
 * where npm can prove from which commit the package was built.
 *
 *   npm run release -- --dry-run    everything but publishing and tagging, on any machine
 *   --registry URL                  another registry than the one that npm is set to
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './prepare.mjs';

const BRANCH = 'main';
const NPM_REGISTRY = 'https://registry.npmjs.org/';
const ASK_MS_MAX = 30_000;

const { values: flags } = parseArgs({
  options: { 'dry-run': { type: 'boolean', default: false }, registry: { type: 'string' } },
});
const isDryRun = flags['dry-run'];
const registry = flags.registry ?? process.env.npm_config_registry ?? NPM_REGISTRY;

process.exitCode = await release();

async function release() {
  const { name, version, publishConfig = {} } = JSON.parse(read('package.json'));
  const faults = [
    ...treeFaults(version),
    ...versionFaults(version),
    ...changelogFaults(version),
    ...provenanceFaults(publishConfig),
    ...(await registryFaults(name, version)),
  ];
  for (const fault of faults) say(fault);
  if (faults.length > 0) {
    say(`${name} ${version} is not released`);
    return 1;
  }
  const publish = ['publish', '--registry', registry, ...(isDryRun ? ['--dry-run'] : [])];
  if (run('npm', publish).status !== 0) return failed('npm publish failed: see above. Nothing is tagged');
  if (isDryRun) {
    say(`nothing speaks against ${name} ${version}: this was a dry run`);
    return 0;
  }
  if (run('git', ['tag', '--annotate', tagOf(version), '--message', `${name} ${version}`]).status !== 0) {
    return failed(`${name} ${version} is published, but not tagged: git tag ${tagOf(version)}`);
  }
  say(`${name} ${version} is published. Push its tag: git push origin ${tagOf(version)}`);
  return 0;
}

/** What is published must be what others find under the tag. */
function treeFaults(version) {
  const faults = [];
  const changed = git('status', '--porcelain').split('\n').filter(Boolean);
  if (changed.length > 0) {
    const files = changed.slice(0, 5).map((line) => line.slice(3));
    const more = changed.length > files.length ? ` and ${changed.length - files.length} more` : '';
    faults.push(`the tree is dirty: commit, ignore or remove ${files.join(', ')}${more}`);
  }
  const branch = git('rev-parse', '--abbrev-ref', 'HEAD');
  // A job of CI checks out a commit and no branch.
  const isOnMain = branch === BRANCH || (branch === 'HEAD' && isCommitOfMain());
  if (!isOnMain) faults.push(`${branch === 'HEAD' ? 'this commit' : branch} is not ${BRANCH}: git switch ${BRANCH}`);
  if (git('tag', '--list', tagOf(version)) !== '') {
    faults.push(`the tag ${tagOf(version)} exists: raise the version with npm version --no-git-tag-version`);
  }
  return faults;
}

function isCommitOfMain() {
  const head = git('rev-parse', 'HEAD');
  return [BRANCH, `origin/${BRANCH}`].some((name) => git('rev-parse', '--verify', '--quiet', name) === head);
}

/** The version stands in three files, because the program says it without reading package.json. */
function versionFaults(version) {
  const { version: locked, packages } = JSON.parse(read('package-lock.json'));
  const [, said] = /VERSION = '([^']*)'/.exec(read('src/model/version.ts')) ?? [];
  return [
    ['package-lock.json', locked],
    ['package-lock.json', packages?.['']?.version],
    ['src/model/version.ts', said],
  ]
    .filter(([, found]) => found !== version)
    .map(([file, found]) => `${file} says ${found} and package.json ${version}: write the same version into both`);
}

/** A heading with version and day, and at least one entry under it. */
function changelogFaults(version) {
  const wanted = `## [${version}] - YYYY-MM-DD`;
  const sections = read('CHANGELOG.md').split(/^(?=## )/m);
  const section = sections.find((text) => text.startsWith(`## [${version}]`));
  if (section === undefined) return [`CHANGELOG.md has no entry for ${version}: write one below ${wanted}`];
  const [heading = '', ...lines] = section.split('\n');
  if (!/^## \[[^\]]+\] - \d{4}-\d{2}-\d{2}$/.test(heading)) {
    return [`CHANGELOG.md has the heading ${JSON.stringify(heading)}: it must be ${wanted}`];
  }
  if (lines.some((line) => /^[-*] \S/.test(line))) return [];
  return [`CHANGELOG.md says nothing about ${version}: write at least one line that begins with "- " below ${heading}`];
}

/** npm refuses late, after everything was packed, and does not say what to do. */
function provenanceFaults({ provenance }) {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: github, SIGSTORE_ID_TOKEN: gitlab } = process.env;
  if (isDryRun || provenance !== true || github !== undefined || gitlab !== undefined) return [];
  return [
    'publishConfig asks for provenance, which npm can prove only in a job of CI (on GitHub with `id-token: write`): release there, or try it here with --dry-run',
  ];
}

/** Asks the registry itself: a version can never be published again, not even after it was removed. */
async function registryFaults(name, version) {
  const url = new URL(encodeURIComponent(name), registry.endsWith('/') ? registry : `${registry}/`);
  const advice = 'check the network and --registry';
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ASK_MS_MAX) });
    if (response.status === 404) return [];
    if (!response.ok) return [`${url} answers ${response.status}, so it is not known what is published: ${advice}`];
    const { versions = {}, time = {} } = await response.json();
    if (!Object.hasOwn(versions, version) && !Object.hasOwn(time, version)) return [];
    return [`${name} ${version} exists on ${registry}: raise the version with npm version --no-git-tag-version`];
  } catch (error) {
    return [`${url} does not say what is published (${error.cause?.message ?? error.message}): ${advice}`];
  }
}

function tagOf(version) {
  return `v${version}`;
}

function git(...args) {
  return spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout.trimEnd();
}

function run(command, args) {
  return spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
}

function read(file) {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

function say(line) {
  process.stderr.write(`release: ${line}\n`);
}

function failed(line) {
  say(line);
  return 1;
}
