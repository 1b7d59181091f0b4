/** The path of a .wasm file, as Bun gives it for `with { type: "file" }`. */
declare module "*.wasm" {
  const path: string;
  export default path;
}
