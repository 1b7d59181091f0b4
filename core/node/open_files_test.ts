import { expect, test } from "bun:test";
import { connectionRoom, connectionsWithin, openFilesWarning, parseOpenFiles } from "./open_files.ts";

const limits = (soft: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units
Max processes             95899                95899                processes
Max open files            ${soft.padEnd(20)} 20000                files
Max locked memory         8388608              8388608              bytes
`;

test("parseOpenFiles() reads the soft limit, and none where there is none", () => {
  expect(parseOpenFiles(limits("1024"))).toBe(1024);
  expect(parseOpenFiles(limits("unlimited"))).toBeNull();
  expect(parseOpenFiles("")).toBeNull();
});

test("openFilesWarning() names both numbers and the mend where connections don't fit", () => {
  const warning = openFilesWarning(20_000, limits("1024")) ?? "";
  expect(warning).toContain("relay.max_connections is 20000");
  expect(warning).toContain(`room for ${connectionsWithin(1024)} connections`);
  expect(warning).toContain("ulimit -n 20256");
});

test("openFilesWarning() says nothing where connections fit, or where no limit can be read", () => {
  expect(openFilesWarning(768, limits("1024"))).toBeNull();
  expect(openFilesWarning(769, limits("1024"))).not.toBeNull();
  expect(openFilesWarning(1_000_000, limits("unlimited"))).toBeNull();
  expect(openFilesWarning(1_000_000, null)).toBeNull();
});

test("connectionRoom() is what is left for connections, and refuses where that is nothing", () => {
  expect(connectionRoom(limits("1024"))).toBe(768);
  expect(connectionRoom(limits("unlimited"))).toBeNull();
  expect(() => connectionRoom(limits("256"))).toThrow("may open 256 files");
});
