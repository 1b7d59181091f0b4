import { expect, test } from "bun:test";
import { decodeLine } from "./file.ts";

test("decodeLine() names the line and the first thing that is wrong in it, in one plain sentence", () => {
  const told = (text: string): string => {
    try {
      return JSON.stringify(decodeLine(text, 6));
    } catch (error) {
      return String(error);
    }
  };
  const [records, sha256] = [3, "ab".repeat(32)];
  expect(told(JSON.stringify({ is: "end", records, sha256 }))).toContain(sha256);
  expect(told(JSON.stringify({ is: "end", records: "3", sha256 }))).toMatch(
    /line 6 is damaged: records: [\w :,-]+$/,
  );
  expect(told(JSON.stringify({ is: "end", records, sha256, more: { at: [1] } }))).toMatch(
    /line 6 is damaged: Unrecognized key: "more"$/,
  );
  expect(told('"end"')).toMatch(/line 6 is damaged: [\w :,-]+$/);
  expect(told("{")).toMatch(/line 6 is damaged: it isn't JSON$/);
});
