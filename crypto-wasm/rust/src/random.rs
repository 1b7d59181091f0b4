//! Randomness: the module's one import.

use alloc::{vec, vec::Vec};
use rand_core::{CryptoRng, Error, RngCore};

#[link(wasm_import_module = "host")]
extern "C" {
    /// Fills `length` bytes at `at` from the host's secure source.
    fn random(at: *mut u8, length: usize);
}

/// Fills `out` with secure randomness.
pub fn fill(out: &mut [u8]) {
    // SAFETY: the host writes `out.len()` bytes at `out`, within our memory.
    unsafe { random(out.as_mut_ptr(), out.len()) }
}

/// The host's randomness as the curve libraries want it.
pub struct Host;

impl RngCore for Host {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        fill(out);
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        fill(out);
        Ok(())
    }
}
impl CryptoRng for Host {}

/// Randomness drawn in one call and handed out in pieces: a call into the host for each of a batch's
/// coefficients would cost more than its arithmetic.
pub struct Drawn {
    bytes: Vec<u8>,
    used: usize,
}

impl Drawn {
    pub fn new(length: usize) -> Self {
        let mut bytes = vec![0; length];
        fill(&mut bytes);
        Self { bytes, used: 0 }
    }
}

impl RngCore for Drawn {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        match self.bytes.get(self.used..self.used + out.len()) {
            Some(drawn) => {
                out.copy_from_slice(drawn);
                self.used += out.len();
            }
            None => fill(out),
        }
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(out);
        Ok(())
    }
}
impl CryptoRng for Drawn {}
