//! X25519 by RFC 7748, over x25519-dalek. A result that is all zero is refused (RFC 7748, section 6.1).

use crate::ed25519::with_handle;
use crate::handle::{held, keep, Held};
use crate::memory::{answer, request};
use crate::random::fill;
use crate::status::{code, Answer, INVALID, MALFORMED, NO_SUCH_HANDLE};
use alloc::boxed::Box;
use x25519_dalek::{PublicKey, StaticSecret};

/// Keeps an agreement key. In: its 32 bytes, or nothing for a new one. Out: its handle (4 bytes), its public key
/// (32 bytes).
#[no_mangle]
pub extern "C" fn x25519_key(length: usize) -> i32 {
    code((|| {
        let mut secret = [0u8; 32];
        match length {
            0 => fill(&mut secret),
            _ => secret.copy_from_slice(request(length)?.first_chunk::<32>().ok_or(MALFORMED)?),
        }
        keep_secret(secret)
    })())
}

/// Keeps `secret` and answers as `x25519_key`.
pub fn keep_secret(secret: [u8; 32]) -> Answer {
    let public = PublicKey::from(&StaticSecret::from(secret));
    with_handle(keep(Held::Agreement(Box::new(secret)))?, public.as_bytes())
}

fn agreement(handle: u32) -> Result<&'static [u8; 32], i32> {
    match held(handle)? {
        Held::Agreement(secret) => Ok(secret),
        _ => Err(NO_SUCH_HANDLE),
    }
}

/// Out: the secret, 32 bytes.
#[no_mangle]
pub extern "C" fn x25519_secret(_length: usize, handle: u32) -> i32 {
    code(agreement(handle).and_then(|secret| answer(secret)))
}

/// In: the other's public key, 32 bytes. Out: what both share, 32 bytes, or INVALID where it would be all zero.
#[no_mangle]
pub extern "C" fn x25519_agree(length: usize, handle: u32) -> i32 {
    code((|| {
        let public = PublicKey::from(*request(length)?.first_chunk::<32>().ok_or(MALFORMED)?);
        let shared = StaticSecret::from(*agreement(handle)?).diffie_hellman(&public);
        if !shared.was_contributory() {
            return Err(INVALID);
        }
        answer(shared.as_bytes())
    })())
}
