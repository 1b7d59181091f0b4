/** For tests: a program that uses a pool's threads, and says what came of it. */
import { openCrypto, openCryptoPool } from "../mod.ts";

await using crypto = await openCrypto({ needs: [] });
using pool = openCryptoPool({ ed25519: crypto.ed25519, membersMin: 2, signaturesMin: 1 });
const settings = { session: new Uint8Array(32), members: [1, 2], threshold: 2 };
const part = await pool.frost.generate(settings, 1);
const other = await pool.frost.generate(settings, 2);
const shares = await other.share(new Map([[1, part.commitment]]));
await part.share(new Map([[2, other.commitment]]));
const { group } = await part.finish(new Map([...shares].map(([, share]) => [2, share])));
const bad = { key: new Uint8Array(32), message: new Uint8Array(1), signature: new Uint8Array(64).fill(1) };
const answer = pool.verifyBatch([bad]);
console.log(group.publicKey.length, pool.waiting, ...(await answer));
