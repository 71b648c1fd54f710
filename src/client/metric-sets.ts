/** The sets of usage metrics that can be asked for, by what they are about: for the help of the command line. */

export { METRIC_SETS, type MetricLevel } from '../s2/metrics-query.ts';
