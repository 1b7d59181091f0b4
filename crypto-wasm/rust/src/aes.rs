//! AES-128-GCM and AES-256-GCM (NIST SP 800-38D) with nonces of 12 bytes, over RustCrypto's aes-gcm: bitsliced AES and
//! a GHASH of plain multiplications, so that neither looks anything up by a secret.

use crate::aead::{parts, TAG};
use crate::memory::{request, take};
use crate::status::{code, Answer, MALFORMED, NOT_AUTHENTIC};
use aes_gcm::{AeadInPlace, Aes128Gcm, Aes256Gcm, KeyInit};

const NONCE: usize = 12;

/// In: key (16 bytes for AES-128, 32 for AES-256), nonce (12), associated data, then plaintext to seal or ciphertext
/// and tag to open. Leaves all as it was but for the last part, which is sealed or opened; answers how long all is.
#[no_mangle]
pub extern "C" fn aes_gcm_once(length: usize, ad: usize, key: usize, opens: u32) -> i32 {
    code((|| {
        let mut input: &[u8] = request(length)?;
        match key {
            16 => apply(Aes128Gcm::new(take::<16>(&mut input)?.into()), 16, ad, length, opens != 0),
            32 => apply(Aes256Gcm::new(take::<32>(&mut input)?.into()), 32, ad, length, opens != 0),
            _ => Err(MALFORMED),
        }
    })())
}

fn apply<A>(cipher: A, key: usize, ad: usize, length: usize, opens: bool) -> Answer
where
    A: AeadInPlace<NonceSize = aes_gcm::aead::consts::U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let mut input: &[u8] = request(length)?.get(key..).ok_or(MALFORMED)?;
    let nonce = *take::<NONCE>(&mut input)?;
    if opens {
        let [ad, data, tag] = parts(key + NONCE, ad, length, TAG)?;
        let held = cipher.decrypt_in_place_detached(&nonce.into(), ad, data, (&*tag).into());
        return held.map(|()| length - TAG).map_err(|_| NOT_AUTHENTIC);
    }
    let [ad, data, tag] = parts(key + NONCE, ad, length + TAG, TAG)?;
    let made = cipher.encrypt_in_place_detached(&nonce.into(), ad, data).map_err(|_| MALFORMED)?;
    tag.copy_from_slice(&made);
    Ok(length + TAG)
}
