/**
 * For tests: what they use of Node's modules, in a browser's page. Files are what the server of the page has; of
 * node:crypto there is nothing, as who asks for it will see.
 */
declare const XMLHttpRequest: new () => {
  readonly status: number;
  readonly responseText: string;
  open(method: string, at: URL, asynchronous: boolean): void;
  send(): void;
};

function ask(method: string, at: URL): InstanceType<typeof XMLHttpRequest> {
  const request = new XMLHttpRequest();
  // Not asynchronous: files are read while tests are being declared.
  request.open(method, at, false);
  request.send();
  return request;
}

export function existsSync(at: URL): boolean {
  return ask("HEAD", at).status === 200;
}

export function readFileSync(at: URL): string {
  const { status, responseText } = ask("GET", at);
  if (status !== 200) throw new Error(`${at.href}: ${status}`);
  return responseText;
}

/** The server answers a folder by the names in it. */
export function readdirSync(at: URL): string[] {
  const names: unknown = JSON.parse(readFileSync(at));
  return Array.isArray(names) ? names.map(String) : [];
}

/** As node:timers/promises has it. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
export { sleep as setTimeout };
