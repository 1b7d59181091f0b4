/** For tests: the columns of the table that this engine runs, the one that it runs best first. The fast one is Bun's. */
export const COLUMNS: readonly ("fast" | "portable")[] =
  "Bun" in globalThis ? ["fast", "portable"] : ["portable"];

/** The options that open the first of them. */
export const FITTING: { readonly backends: "fast" | "portable" } = { backends: COLUMNS[0] ?? "portable" };

/** Whether this is a browser's page, which has nothing of node:crypto. */
export const IN_BROWSER = "document" in globalThis;
