//! Poly1305 (RFC 8439, section 2.5) on limbs of 26 bits, for engines without wide arithmetic: products of 32 bits
//! by 32 that add up within 64.

/// A one-time authenticator over whole 16-byte blocks.
pub struct Poly {
    r: [u64; 5],
    h: [u64; 5],
    pad: u128,
}

const LIMB: u64 = (1 << 26) - 1;

/// The limbs of 128 bits, with `top` as the bit above them.
fn limbs(bytes: &[u8], top: u64) -> [u64; 5] {
    let word = |at: usize| u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
    [
        word(0) & LIMB,
        word(3) >> 2 & LIMB,
        word(6) >> 4 & LIMB,
        word(9) >> 6 & LIMB,
        word(12) >> 8 | top << 24,
    ]
}

impl Poly {
    pub fn new(key: &[u8; 32]) -> Self {
        let (r, pad) = key.split_at(16);
        let (mut clamped, mut last) = ([0; 16], [0; 16]);
        clamped.copy_from_slice(r);
        last.copy_from_slice(pad);
        let clamped = u128::from_le_bytes(clamped) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
        Self { r: limbs(&clamped.to_le_bytes(), 0), h: [0; 5], pad: u128::from_le_bytes(last) }
    }

    /// Takes in `data`, a multiple of 16 bytes long.
    #[inline(never)]
    pub fn blocks(&mut self, data: &[u8]) {
        let [r0, r1, r2, r3, r4] = self.r;
        let [s1, s2, s3, s4] = [r1 * 5, r2 * 5, r3 * 5, r4 * 5];
        let [mut h0, mut h1, mut h2, mut h3, mut h4] = self.h;
        for block in data.chunks_exact(16) {
            let m = limbs(block, 1);
            h0 += m[0];
            h1 += m[1];
            h2 += m[2];
            h3 += m[3];
            h4 += m[4];
            let d0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1;
            let d1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2 + (d0 >> 26);
            let d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3 + (d1 >> 26);
            let d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4 + (d2 >> 26);
            let d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + (d3 >> 26);
            h0 = (d0 & LIMB) + (d4 >> 26) * 5;
            h1 = (d1 & LIMB) + (h0 >> 26);
            h0 &= LIMB;
            (h2, h3, h4) = (d2 & LIMB, d3 & LIMB, d4 & LIMB);
        }
        self.h = [h0, h1, h2, h3, h4];
    }

    /// The tag.
    pub fn tag(self) -> [u8; 16] {
        let mut h = self.h;
        for _ in 0..2 {
            for at in 0..4 {
                h[at + 1] += h[at] >> 26;
                h[at] &= LIMB;
            }
            h[0] += (h[4] >> 26) * 5;
            h[4] &= LIMB;
        }
        h[1] += h[0] >> 26;
        h[0] &= LIMB;
        let joined = |h: &[u64; 5]| {
            let low = u128::from(h[0] | h[1] << 26) | u128::from(h[2]) << 52 | u128::from(h[3]) << 78;
            low | u128::from(h[4]) << 104
        };
        // h - p, kept where it isn't negative; chosen by a mask.
        let mut g = h;
        g[0] += 5;
        for at in 0..4 {
            g[at + 1] += g[at] >> 26;
            g[at] &= LIMB;
        }
        let mask = 0u128.wrapping_sub(u128::from(g[4] >> 26));
        ((joined(&h) & !mask) | (joined(&g) & mask)).wrapping_add(self.pad).to_le_bytes()
    }
}
