//! ChaCha20-Poly1305 (RFC 8439, section 2.8) and XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), in place in the arena.

use crate::chacha::{hchacha, Stream, STEP, STEP_BLOCKS};
use crate::handle::{held, keep, Held};
use crate::memory::{answer, request, take};
use crate::poly::Poly;
use crate::status::{code, Answer, MALFORMED, NOT_AUTHENTIC, NO_SUCH_HANDLE};
use alloc::boxed::Box;

pub const TAG: usize = 16;
/// What the first step leaves for data, once its first block has keyed the authenticator.
const FIRST: usize = STEP - 64;

/// Keeps a key of 32 bytes. Out: its handle, 4 bytes.
#[no_mangle]
pub extern "C" fn cipher_key(length: usize) -> i32 {
    code((|| {
        let key = *request(length)?.first_chunk::<32>().ok_or(MALFORMED)?;
        answer(&keep(Held::Cipher(Box::new(key)))?.to_le_bytes())
    })())
}

/// The Noise nonce of a counter: 32 bits of zero, then the counter, little-endian (Noise, section 12.3).
fn noise_nonce(low: u32, high: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..8].copy_from_slice(&low.to_le_bytes());
    nonce[8..].copy_from_slice(&high.to_le_bytes());
    nonce
}

fn cipher(handle: u32) -> Result<&'static [u8; 32], i32> {
    match held(handle)? {
        Held::Cipher(key) => Ok(key),
        _ => Err(NO_SUCH_HANDLE),
    }
}

/// In: associated data, plaintext. Leaves associated data, ciphertext, tag; answers how long that is.
#[no_mangle]
pub extern "C" fn cipher_seal(length: usize, ad: usize, handle: u32, low: u32, high: u32) -> i32 {
    code(cipher(handle).and_then(|key| seal(key, &noise_nonce(low, high), 0, ad, length)))
}

/// In: associated data, ciphertext, tag. Leaves associated data, plaintext; answers how long that is.
#[no_mangle]
pub extern "C" fn cipher_open(length: usize, ad: usize, handle: u32, low: u32, high: u32) -> i32 {
    code(cipher(handle).and_then(|key| open(key, &noise_nonce(low, high), 0, ad, length)))
}

/// In: key (32), nonce (12, or 24 for XChaCha20), associated data, then plaintext to seal or ciphertext and tag to
/// open. Leaves all as it was but for the last part, which is sealed or opened; answers how long all is.
#[no_mangle]
pub extern "C" fn aead_once(length: usize, ad: usize, nonce: usize, opens: u32) -> i32 {
    code((|| {
        let mut input: &[u8] = request(length)?;
        let mut key = *take::<32>(&mut input)?;
        let mut short = [0u8; 12];
        match nonce {
            12 => short = *take::<12>(&mut input)?,
            24 => {
                key = hchacha(&key, take::<16>(&mut input)?);
                short[4..].copy_from_slice(take::<8>(&mut input)?);
            }
            _ => return Err(MALFORMED),
        }
        let work = if opens == 0 { seal } else { open };
        work(&key, &short, 32 + nonce, ad, length)
    })())
}

/// Splits the arena's first `length` bytes behind `head` into associated data, data and `tail` bytes after it.
pub fn parts(head: usize, ad: usize, length: usize, tail: usize) -> Result<[&'static mut [u8]; 3], i32> {
    let all = request(length)?.get_mut(head..).ok_or(MALFORMED)?;
    let (ad, data) = all.split_at_mut_checked(ad).ok_or(MALFORMED)?;
    let end = data.len().checked_sub(tail).ok_or(MALFORMED)?;
    let (data, tail) = data.split_at_mut(end);
    Ok([ad, data, tail])
}

fn seal(key: &[u8; 32], nonce: &[u8; 12], head: usize, ad: usize, length: usize) -> Answer {
    let [ad, data, tag] = parts(head, ad, length + TAG, TAG)?;
    let stream = Stream::new(key, nonce);
    let mut first = [0; STEP];
    stream.write(0, &mut first);
    apply(&stream, &first, data);
    tag.copy_from_slice(&authenticate(&first, ad, data));
    Ok(length + TAG)
}

fn open(key: &[u8; 32], nonce: &[u8; 12], head: usize, ad: usize, length: usize) -> Answer {
    let [ad, data, tag] = parts(head, ad, length, TAG)?;
    let stream = Stream::new(key, nonce);
    let mut first = [0; STEP];
    stream.write(0, &mut first);
    let expected = authenticate(&first, ad, data);
    // All 16 bytes are looked at, whatever differs.
    let difference = expected.iter().zip(&*tag).fold(0u8, |seen, (a, b)| seen | (a ^ b));
    if difference != 0 {
        return Err(NOT_AUTHENTIC);
    }
    apply(&stream, &first, data);
    Ok(length - TAG)
}

/// Adds the key stream from block 1 on to `data`; `first` holds the step of block 0.
fn apply(stream: &Stream, first: &[u8; STEP], data: &mut [u8]) {
    let (head, rest) = data.split_at_mut(data.len().min(FIRST));
    add(head, &first[64..]);
    let (last, block) = stream.apply(STEP_BLOCKS, rest);
    if !last.is_empty() {
        let mut bytes = [0; STEP];
        stream.write(block, &mut bytes);
        add(last, &bytes);
    }
}

fn add(data: &mut [u8], stream: &[u8]) {
    data.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
}

/// The tag over associated data and ciphertext, each filled up to 16 bytes, and their lengths.
fn authenticate(first: &[u8; STEP], ad: &[u8], data: &[u8]) -> [u8; TAG] {
    let mut key = [0; 32];
    key.copy_from_slice(&first[..32]);
    let mut poly = Poly::new(&key);
    for part in [ad, data] {
        let whole = part.len() & !15;
        poly.blocks(&part[..whole]);
        if whole < part.len() {
            let mut last = [0; 16];
            last[..part.len() - whole].copy_from_slice(&part[whole..]);
            poly.blocks(&last);
        }
    }
    let mut lengths = [0; 16];
    lengths[..8].copy_from_slice(&(ad.len() as u64).to_le_bytes());
    lengths[8..].copy_from_slice(&(data.len() as u64).to_le_bytes());
    poly.blocks(&lengths);
    poly.tag()
}
