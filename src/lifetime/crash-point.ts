declare global {
  /** The build says `false`; tests that kill put a function here before the service is loaded. */
  var __CRASH_POINTS__: ((name: string, about: string | undefined) => void) | false | undefined;
}

const hook = globalThis.__CRASH_POINTS__;

/**
 * Names a place between two effects that last. A test finds the names in the code and kills the
 * process at each of them; in a build there is nothing here to call.
 */
export function crashPoint(name: string, about?: string): void {
  if (hook) hook(name, about);
}
