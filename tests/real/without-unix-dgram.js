// A module hook. janode imports unix-dgram for a transport that no test here uses, and
// that package is compiled on installation against headers from the network.
const REPLACEMENT = `data:text/javascript,${encodeURIComponent(`
  export function createSocket() {
    throw new Error('unix-dgram is left out of the test clients');
  }
`)}`;

export async function resolve(specifier, context, next) {
  if (specifier === 'unix-dgram') return { url: REPLACEMENT, shortCircuit: true };
  return next(specifier, context);
}
