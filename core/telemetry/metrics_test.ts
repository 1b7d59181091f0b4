import { describe, expect, test } from "bun:test";
import { BoundedLabels } from "./label.ts";
import { Metrics } from "./metrics.ts";

async function sample(metrics: Metrics, name: string): Promise<string | undefined> {
  const { text } = await metrics.expose();
  return text
    .split("\n")
    .find((line) => line.startsWith(`${name} `))
    ?.slice(name.length + 1);
}

describe("Metrics", () => {
  test("names everything that dashboards stand on, from the start", async () => {
    const { text, type } = await new Metrics({ version: "1.2.3", startedMs: 5000 }).expose();
    expect(type).toContain("text/plain; version=0.0.4");
    for (const name of [
      "dchat_connections_total",
      "dchat_connections_open",
      "dchat_messages_sent_total",
      "dchat_messages_received_total",
      "dchat_relay_bandwidth_bytes",
      "dchat_errors_total",
      "dchat_latency_seconds",
      "dchat_mailboxes",
      "dchat_entries",
      "dchat_entry_bytes",
      "dchat_limits_total",
      "dchat_ready",
      "process_resident_memory_bytes",
      "process_cpu_seconds_total",
    ])
      expect(text).toContain(`# TYPE ${name} `);
    expect(text).toContain(`dchat_build_info{version="1.2.3",bun="${Bun.version}"} 1`);
    expect(text).toContain('dchat_errors_total{where="store"} 0');
    expect(text).toContain('dchat_latency_seconds_count{op="append"} 0');
    expect(text).toContain('dchat_errors_total{where="sweep"} 0');
    expect(text).toContain("dchat_expiry_halted 0\n");
    expect(text).toContain("process_start_time_seconds 5\n");
    expect(text).not.toMatch(/gc|eventloop|heap/);
  });

  test("counts connections that come and go", async () => {
    const metrics = new Metrics({ version: "0", startedMs: 0 });
    metrics.connectionOpened();
    metrics.connectionOpened();
    metrics.connectionClosed("remote");
    metrics.handshakeFailed("no WebSocket: HTTP 426");
    expect(await sample(metrics, "dchat_connections_total")).toBe("2");
    expect(await sample(metrics, 'dchat_handshakes_failed_total{reason="no WebSocket: HTTP 426"}')).toBe("1");
    expect(await sample(metrics, "dchat_connections_open")).toBe("1");
    expect(await sample(metrics, 'dchat_connections_closed_total{reason="remote"}')).toBe("1");
  });

  test("tells entries that came from those kept and those sent, and other commands from appends", async () => {
    const metrics = new Metrics({ version: "0", startedMs: 0 });
    metrics.command("append");
    metrics.command("append");
    metrics.command("read");
    metrics.committed({ commands: 3, kept: 1, ms: 3 });
    metrics.sent("entry");
    metrics.sent("done");
    metrics.bytes(100, 7);
    metrics.bytes(1, 0);
    metrics.refused("denied");
    metrics.answered("append", 3);
    expect(await sample(metrics, "dchat_messages_received_total")).toBe("2");
    expect(await sample(metrics, "dchat_messages_kept_total")).toBe("1");
    expect(await sample(metrics, "dchat_messages_sent_total")).toBe("1");
    expect(await sample(metrics, 'dchat_commands_total{op="append"}')).toBe("2");
    expect(await sample(metrics, 'dchat_relay_bandwidth_bytes{direction="in"}')).toBe("101");
    expect(await sample(metrics, 'dchat_relay_bandwidth_bytes{direction="out"}')).toBe("7");
    expect(await sample(metrics, 'dchat_refusals_total{code="denied"}')).toBe("1");
    expect(await sample(metrics, 'dchat_latency_seconds_bucket{le="0.002",op="append"}')).toBe("0");
    expect(await sample(metrics, 'dchat_latency_seconds_bucket{le="0.004",op="append"}')).toBe("1");
  });

  test("counts what edge processes use, over those that follow each other in one place", async () => {
    const metrics = new Metrics({ version: "0", startedMs: 0 });
    metrics.edgeProcess(1, { cpuSeconds: 2, residentBytes: 100 });
    metrics.edgeProcess(1, { cpuSeconds: 5, residentBytes: 80 });
    metrics.edgeProcess(2, { cpuSeconds: 1, residentBytes: 60 });
    const memory = 'dchat_edge_process_resident_memory_bytes{process="1"}';
    expect(await sample(metrics, memory)).toBe("80");
    metrics.edgeProcess(1, null);
    expect(await sample(metrics, memory)).toBe("0");
    metrics.edgeProcess(1, { cpuSeconds: 3, residentBytes: 70 });
    expect(await sample(metrics, 'dchat_edge_process_cpu_seconds_total{process="1"}')).toBe("8");
    expect(await sample(metrics, 'dchat_edge_process_cpu_seconds_total{process="2"}')).toBe("1");
  });

  test("shows what the store doesn't say as not a number", async () => {
    const metrics = new Metrics({ version: "0", startedMs: 0 });
    metrics.held({ mailboxes: 1, entries: 2, bytes: 3 });
    expect(await sample(metrics, "dchat_entries")).toBe("2");
    metrics.held(null);
    expect(await sample(metrics, "dchat_entries")).toMatch(/^nan$/i);
  });

  test("can't be grown by those who choose a label", async () => {
    const metrics = new Metrics({ version: "0", startedMs: 0 });
    for (let at = 0; at < 10_000; at++) metrics.connectionClosed(`reason ${at}`);
    const { text } = await metrics.expose();
    const series = text.split("\n").filter((line) => line.startsWith("dchat_connections_closed_total{"));
    expect(series.length).toBeLessThanOrEqual(49);
    expect(Number(await sample(metrics, 'dchat_connections_closed_total{reason="other"}'))).toBeGreaterThan(
      9_900,
    );
  });

  test("CPU time only grows", async () => {
    const metrics = new Metrics({ version: "0", startedMs: 0 });
    const first = Number(await sample(metrics, "process_cpu_seconds_total"));
    for (let at = 0; at < 1e6; at++) Math.sqrt(at);
    expect(Number(await sample(metrics, "process_cpu_seconds_total"))).toBeGreaterThanOrEqual(first);
    expect(first).toBeGreaterThan(0);
  });
});

test("BoundedLabels makes each child once", () => {
  let made = 0;
  const labels = new BoundedLabels((label) => ({ label, number: made++ }));
  expect(labels.of("a")).toBe(labels.of("a"));
  expect(made).toBe(1);
});
