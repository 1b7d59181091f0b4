//! Ed25519 by ZIP-215: ed25519-zebra's single and batch verification, which answer alike on every input.
//! Source: RFC 8032; https://zips.z.cash/zip-0215.

use crate::handle::{held, keep, Held};
use crate::memory::{answer, request, take, take_slice, take_u32};
use crate::random::{fill, Drawn};
use crate::status::{code, Answer, INVALID, MALFORMED, NO_SUCH_HANDLE};
use alloc::{boxed::Box, vec::Vec};
use curve25519_dalek::{edwards::CompressedEdwardsY, edwards::EdwardsPoint, scalar::clamp_integer};
use ed25519_zebra::batch::{Item, Verifier};
use ed25519_zebra::{Signature, SigningKey, VerificationKey, VerificationKeyBytes};
use sha2::{Digest, Sha512};
use zeroize::Zeroize;

/// A bad batch of at most this many is verified one by one: halving it further costs more than it finds.
const SINGLES: usize = 8;
/// How often over its items a bad batch may be halved before what is left is verified one by one. A batch costs
/// half of its singles, so more halving costs more than it saves, and a batch poisoned at will takes about twice what
/// its singles would: the batch, its halves, and all of them alone.
const SUSPICION: usize = 1;

/// Keeps a signing key. In: a 32-byte seed, or nothing for a new one. Out: its handle (4 bytes), its public key
/// (32 bytes).
#[no_mangle]
pub extern "C" fn ed25519_key(length: usize) -> i32 {
    code((|| {
        let mut seed = [0u8; 32];
        match length {
            0 => fill(&mut seed),
            _ => seed.copy_from_slice(request(length)?.first_chunk::<32>().ok_or(MALFORMED)?),
        }
        let key = Box::new(SigningKey::from(seed));
        seed.zeroize();
        let public = <[u8; 32]>::from(key.verification_key());
        with_handle(keep(Held::Signing(key))?, &public)
    })())
}

/// A new handle and the public key that goes with it, as one answer of 36 bytes.
pub fn with_handle(handle: u32, public: &[u8; 32]) -> Answer {
    let mut out = [0u8; 36];
    out[..4].copy_from_slice(&handle.to_le_bytes());
    out[4..].copy_from_slice(public);
    answer(&out)
}

fn signing(handle: u32) -> Result<&'static SigningKey, i32> {
    match held(handle)? {
        Held::Signing(key) => Ok(key),
        _ => Err(NO_SUCH_HANDLE),
    }
}

/// Out: the seed, 32 bytes.
#[no_mangle]
pub extern "C" fn ed25519_seed(_length: usize, handle: u32) -> i32 {
    code(signing(handle).and_then(|key| answer(key.as_bytes())))
}

/// In: the message. Out: its signature, 64 bytes.
#[no_mangle]
pub extern "C" fn ed25519_sign(length: usize, handle: u32) -> i32 {
    code((|| {
        let signature = signing(handle)?.sign(request(length)?);
        answer(&signature.to_bytes())
    })())
}

/// In: key (32), signature (64), message. Answers 1 where it holds, else 0.
#[no_mangle]
pub extern "C" fn ed25519_verify(length: usize) -> i32 {
    code((|| {
        let mut input: &[u8] = request(length)?;
        let key = *take::<32>(&mut input)?;
        let signature = Signature::from(*take::<64>(&mut input)?);
        let key = VerificationKey::try_from(key);
        Ok(key.and_then(|key| key.verify(&signature, input)).is_ok() as usize)
    })())
}

/// In: a count, then for each: message length, key (32), signature (64), message. Answers how many don't hold and
/// leaves their positions, ascending, 32 bits each, at the front of the arena.
#[no_mangle]
pub extern "C" fn ed25519_verify_batch(length: usize) -> i32 {
    code((|| {
        let mut input: &[u8] = request(length)?;
        let count = take_u32(&mut input)?;
        // Each item takes at least 100 bytes, so a lying count can't make this large.
        let mut items = Vec::with_capacity(count.min(length / 100));
        for _ in 0..count {
            let message = take_u32(&mut input)?;
            let key = VerificationKeyBytes::from(*take::<32>(&mut input)?);
            let signature = Signature::from(*take::<64>(&mut input)?);
            items.push(Item::from((key, signature, take_slice(&mut input, message)?)));
        }
        let mut bad = Vec::new();
        let mut budget = SUSPICION * items.len();
        if !all_hold(&items) {
            find_bad(&items, 0, &mut budget, &mut bad);
        }
        let positions: Vec<u8> = bad.iter().flat_map(|at: &u32| at.to_le_bytes()).collect();
        answer(&positions)?;
        Ok(bad.len())
    })())
}

fn all_hold(items: &[Item]) -> bool {
    if let [item] = items {
        return item.clone().verify_single().is_ok();
    }
    let mut batch = Verifier::new();
    items.iter().for_each(|item| batch.queue(item.clone()));
    batch.verify(Drawn::new(16 * items.len())).is_ok()
}

/// Finds the bad ones among `items`, of which at least one is, the first standing at `from`.
fn find_bad(items: &[Item], from: u32, budget: &mut usize, bad: &mut Vec<u32>) {
    if items.len() <= SINGLES || *budget < items.len() {
        let each = items.iter().zip(from..);
        bad.extend(each.filter(|(item, _)| (*item).clone().verify_single().is_err()).map(|(_, at)| at));
        return;
    }
    *budget -= items.len();
    let (left, right) = items.split_at(items.len() / 2);
    let middle = from + left.len() as u32;
    if all_hold(left) {
        // What is bad is on the right then; asking would cost a batch to hear it again.
        return find_bad(right, middle, budget, bad);
    }
    find_bad(left, from, budget, bad);
    if !all_hold(right) {
        find_bad(right, middle, budget, bad);
    }
}

/// In: an Ed25519 public key. Out: the X25519 public key of it, or INVALID where it is no point, of small order or
/// not in the prime-order group.
#[no_mangle]
pub extern "C" fn ed25519_to_x25519(length: usize) -> i32 {
    code((|| {
        let mut input: &[u8] = request(length)?;
        let key = CompressedEdwardsY(*take::<32>(&mut input)?);
        let point: EdwardsPoint = key.decompress().ok_or(INVALID)?;
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(INVALID);
        }
        answer(point.to_montgomery().as_bytes())
    })())
}

/// Keeps the X25519 key of a signing key. Out: as `ed25519_key`.
#[no_mangle]
pub extern "C" fn ed25519_agreement(_length: usize, handle: u32) -> i32 {
    code((|| {
        let mut hash: [u8; 64] = Sha512::digest(signing(handle)?.as_bytes()).into();
        let mut secret = [0u8; 32];
        secret.copy_from_slice(&hash[..32]);
        secret = clamp_integer(secret);
        hash.zeroize();
        crate::x25519::keep_secret(secret)
    })())
}
