//! ChaCha20 (RFC 8439, section 2.3) on 128-bit vectors: four blocks at a time, one word of each in a vector.

use core::arch::wasm32::*;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// How many bytes one step of the key stream makes.
pub const QUAD: usize = 256;

/// The twelve words that say which key stream: the key's eight, and the last three of nonce and counter.
pub struct Stream {
    key: [u32; 8],
    nonce: [u32; 3],
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]])
}

macro_rules! rotate {
    (16, $x:expr) => {
        i8x16_shuffle::<2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13>($x, $x)
    };
    (8, $x:expr) => {
        i8x16_shuffle::<3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14>($x, $x)
    };
    ($bits:literal, $x:expr) => {
        v128_or(i32x4_shl($x, $bits), u32x4_shr($x, 32 - $bits))
    };
}

macro_rules! quarter {
    ($s:ident, $a:literal, $b:literal, $c:literal, $d:literal) => {
        $s[$a] = i32x4_add($s[$a], $s[$b]);
        $s[$d] = rotate!(16, v128_xor($s[$d], $s[$a]));
        $s[$c] = i32x4_add($s[$c], $s[$d]);
        $s[$b] = rotate!(12, v128_xor($s[$b], $s[$c]));
        $s[$a] = i32x4_add($s[$a], $s[$b]);
        $s[$d] = rotate!(8, v128_xor($s[$d], $s[$a]));
        $s[$c] = i32x4_add($s[$c], $s[$d]);
        $s[$b] = rotate!(7, v128_xor($s[$b], $s[$c]));
    };
}

macro_rules! double_round {
    ($s:ident) => {
        quarter!($s, 0, 4, 8, 12);
        quarter!($s, 1, 5, 9, 13);
        quarter!($s, 2, 6, 10, 14);
        quarter!($s, 3, 7, 11, 15);
        quarter!($s, 0, 5, 10, 15);
        quarter!($s, 1, 6, 11, 12);
        quarter!($s, 2, 7, 8, 13);
        quarter!($s, 3, 4, 9, 14);
    };
}

impl Stream {
    pub fn new(key: &[u8; 32], nonce: &[u8; 12]) -> Self {
        Self {
            key: core::array::from_fn(|at| word(key, at)),
            nonce: core::array::from_fn(|at| word(nonce, at)),
        }
    }

    fn start(&self, block: u32) -> [v128; 16] {
        core::array::from_fn(|at| match at {
            0..4 => u32x4_splat(CONSTANTS[at]),
            4..12 => u32x4_splat(self.key[at - 4]),
            12 => u32x4_add(u32x4_splat(block), u32x4(0, 1, 2, 3)),
            _ => u32x4_splat(self.nonce[at - 13]),
        })
    }

    /// The four blocks from `block` on, still with one word of each in a vector.
    #[inline(always)]
    fn words(&self, block: u32) -> [v128; 16] {
        let start = self.start(block);
        let mut s = start;
        for _ in 0..10 {
            double_round!(s);
        }
        for at in 0..16 {
            s[at] = i32x4_add(s[at], start[at]);
        }
        s
    }

    /// Writes the 256 bytes of key stream from `block` on.
    pub fn write(&self, block: u32, out: &mut [u8; QUAD]) {
        let s = self.words(block);
        each_row(&s, |at, row| {
            // SAFETY: `at` is at most 240 and `out` is 256 bytes long.
            unsafe { v128_store(out.as_mut_ptr().add(at).cast(), row) }
        });
    }

    /// Adds the 256 bytes of key stream from `block` on to `data`.
    pub fn apply(&self, block: u32, data: &mut [u8; QUAD]) {
        let s = self.words(block);
        each_row(&s, |at, row| {
            // SAFETY: `at` is at most 240 and `data` is 256 bytes long.
            unsafe {
                let place = data.as_mut_ptr().add(at).cast();
                v128_store(place, v128_xor(v128_load(place), row));
            }
        });
    }
}

/// Turns words by vector into the bytes of the four blocks: `put` gets an offset and the 16 bytes there.
#[inline(always)]
fn each_row(s: &[v128; 16], mut put: impl FnMut(usize, v128)) {
    for quarter in 0..4 {
        let [a, b, c, d] = [s[4 * quarter], s[4 * quarter + 1], s[4 * quarter + 2], s[4 * quarter + 3]];
        let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
        put(16 * quarter, i64x2_shuffle::<0, 2>(ab, cd));
        put(64 + 16 * quarter, i64x2_shuffle::<1, 3>(ab, cd));
        let (ab, cd) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
        put(128 + 16 * quarter, i64x2_shuffle::<0, 2>(ab, cd));
        put(192 + 16 * quarter, i64x2_shuffle::<1, 3>(ab, cd));
    }
}

/// HChaCha20 (draft-irtf-cfrg-xchacha, section 2.2): the key of an XChaCha20 stream.
pub fn hchacha(key: &[u8; 32], nonce: &[u8; 16]) -> [u8; 32] {
    let mut s: [v128; 16] = core::array::from_fn(|at| {
        u32x4_splat(match at {
            0..4 => CONSTANTS[at],
            4..12 => word(key, at - 4),
            _ => word(nonce, at - 12),
        })
    });
    for _ in 0..10 {
        double_round!(s);
    }
    let mut out = [0; 32];
    for (at, place) in out.chunks_exact_mut(4).enumerate() {
        let from = if at < 4 { at } else { at + 8 };
        place.copy_from_slice(&u32x4_extract_lane::<0>(s[from]).to_le_bytes());
    }
    out
}
