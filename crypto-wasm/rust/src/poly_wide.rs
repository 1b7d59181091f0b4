//! Poly1305 (RFC 8439, section 2.5) on 64-bit limbs: a block costs four widening multiplications, which WebAssembly
//! has as instructions where it has wide arithmetic.

/// A one-time authenticator over whole 16-byte blocks.
pub struct Poly {
    r: [u64; 2],
    /// r[1] and a quarter of it: what r[1] counts for once it wraps around 2^130 - 5.
    s: u64,
    h: [u64; 3],
    pad: [u64; 2],
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[8 * at..8 * at + 8]);
    u64::from_le_bytes(word)
}

fn times(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

impl Poly {
    pub fn new(key: &[u8; 32]) -> Self {
        let r = [word(key, 0) & 0x0fff_fffc_0fff_ffff, word(key, 1) & 0x0fff_fffc_0fff_fffc];
        Self { r, s: r[1] + (r[1] >> 2), h: [0; 3], pad: [word(key, 2), word(key, 3)] }
    }

    /// Takes in `data`, a multiple of 16 bytes long.
    #[inline(never)]
    pub fn blocks(&mut self, data: &[u8]) {
        let ([r0, r1], s) = (self.r, self.s);
        let [mut h0, mut h1, mut h2] = self.h;
        for block in data.chunks_exact(16) {
            let sum = u128::from(h0) + u128::from(word(block, 0));
            let next = u128::from(h1) + u128::from(word(block, 1)) + (sum >> 64);
            (h0, h1) = (sum as u64, next as u64);
            h2 += (next >> 64) as u64 + 1;

            // h2 stays below 8, so its products fit in a word.
            let d0 = times(h0, r0) + times(h1, s);
            let d1 = times(h0, r1) + times(h1, r0) + u128::from(h2 * s) + (d0 >> 64);
            let d2 = h2 * r0 + (d1 >> 64) as u64;
            // What stands above 2^130 comes back five times: once as it is, four times as it stands two bits up.
            let above = (d2 >> 2) + (d2 & !3);
            let low = u128::from(d0 as u64) + u128::from(above);
            let high = u128::from(d1 as u64) + (low >> 64);
            (h0, h1) = (low as u64, high as u64);
            h2 = (d2 & 3) + (high >> 64) as u64;
        }
        self.h = [h0, h1, h2];
    }

    /// The tag.
    pub fn tag(self) -> [u8; 16] {
        let [h0, h1, h2] = self.h;
        // h - p, kept where it isn't negative; chosen by a mask.
        let low = u128::from(h0) + 5;
        let high = u128::from(h1) + (low >> 64);
        let over = (h2 + (high >> 64) as u64) >> 2;
        let mask = 0u64.wrapping_sub(over);
        let g0 = (h0 & !mask) | (low as u64 & mask);
        let g1 = (h1 & !mask) | (high as u64 & mask);
        let value = u128::from(g0) | u128::from(g1) << 64;
        let pad = u128::from(self.pad[0]) | u128::from(self.pad[1]) << 64;
        value.wrapping_add(pad).to_le_bytes()
    }
}
