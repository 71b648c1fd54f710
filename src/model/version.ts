/** The version of this package, as package.json has it: said by the command line and by the server. */

export const VERSION = '0.1.0';
