/**
 * Loaded before a program under measurement: it collects its garbage when a line comes on its stdin and says so in
 * one on its stdout, as the other hosts do.
 */
void (async () => {
  for await (const line of console) {
    if (line === "gc") Bun.gc(true);
    console.log(JSON.stringify({ gc: true }));
  }
})();
