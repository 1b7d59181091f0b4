import type { StoreLocation } from "./open.ts";

/** A store's file, or its address without its password, for messages. */
export function locationName({ url, path }: StoreLocation): string {
  return url === null ? path : nameOf(url);
}

/** A database's address without its password, for messages. */
export function nameOf(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return "the database";
  }
}
