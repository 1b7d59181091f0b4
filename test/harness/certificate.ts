/** Self-signed certificates for 127.0.0.1, made by openssl. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const openssl = Bun.which("openssl");

/** Whether certificates can be made here. */
export const canCertify = openssl !== null;

/** PEM texts of a fresh certificate for `name`, good for two days, and of its key. */
export async function certificate(name: string): Promise<{ readonly cert: string; readonly key: string }> {
  const folder = await mkdtemp(join(tmpdir(), "dchat-tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const what = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
  ];
  const whose = [
    "-subj",
    `/CN=${name}`,
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-keyout",
    key,
    "-out",
    cert,
  ];
  const made = Bun.spawn([openssl ?? "", ...what, ...whose], { stdout: "ignore", stderr: "ignore" });
  if ((await made.exited) !== 0) throw new Error("openssl made no certificate");
  const files = { cert: await Bun.file(cert).text(), key: await Bun.file(key).text() };
  await rm(folder, { recursive: true });
  return files;
}
