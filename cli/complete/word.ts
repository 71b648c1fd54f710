/** Scripts of shells call the program with this word; behind it are the words of the line, of which the last is completed. */

export const COMPLETE = '__complete';
