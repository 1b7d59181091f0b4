/** Migrations are imported as text, so that a compiled relay carries them. */
declare module "*.sql" {
  const text: string;
  export = text;
}
