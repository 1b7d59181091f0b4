/** Preloaded, gives a process another time than the machine's: DCHAT_TEST_SHIFT_MS later. */
const shiftMs = Number(process.env["DCHAT_TEST_SHIFT_MS"]);
const now = Date.now.bind(Date);
Date.now = () => now() + shiftMs;
