/** Before `npm pack` and `npm publish`: a package holds dist/, so dist/ is built from these sources first. */
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
