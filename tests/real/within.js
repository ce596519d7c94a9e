// Fails if a promise is not kept in time.
export async function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, seconds * 1000, new Error(`not within ${seconds} s: ${what}`));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
