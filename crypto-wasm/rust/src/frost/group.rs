//! What a participant stores: its share, which is secret, and the group, which anyone may see.

use super::fault::{finish, number, plain, Fault, Reason};
use super::polynomial::{point, scalar};
use super::wire::{begin_stored, identifier, open_stored, put_blob, Reader, GROUP, SHARE};
use super::{group_of, hold, share, taken, Held};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use frost_ed25519::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_ed25519::VerifyingKey;

/// A share as a scalar, for arithmetic that frost-core doesn't offer.
pub fn secret_of(share: &KeyPackage) -> Result<Scalar, Fault> {
    let bytes: Result<[u8; 32], _> = share.signing_share().serialize().try_into();
    scalar(&bytes.map_err(|_| plain(Reason::Malformed))?)
}

/// The point that the group knows a member by.
pub fn public_of(group: &PublicKeyPackage, member: u16) -> Result<EdwardsPoint, Fault> {
    let public = group.verifying_shares().get(&identifier(member)?);
    let bytes = public.ok_or(super::fault::by(Reason::NotMember, member))?.serialize()?;
    point(bytes.first_chunk().ok_or_else(|| plain(Reason::Malformed))?)
}

/// A share from its secret.
pub fn share_from(member: u16, secret: Scalar, threshold: u16, key: &VerifyingKey) -> Result<KeyPackage, Fault> {
    let signing = SigningShare::deserialize(secret.as_bytes())?;
    let public = EdwardsPoint::mul_base(&secret).compress();
    let public = VerifyingShare::deserialize(public.as_bytes())?;
    Ok(KeyPackage::new(identifier(member)?, signing, public, *key, threshold))
}

/// The handles of a share and its group, as an answer begins with them: both, or neither is held.
pub fn hold_both(share: KeyPackage, group: PublicKeyPackage) -> Result<Vec<u8>, Fault> {
    let share = hold(Held::Share(Box::new(share)))?;
    let group = hold(Held::Group(Box::new(group))).inspect_err(|_| drop(taken(share)))?;
    Ok([share.to_le_bytes(), group.to_le_bytes()].concat())
}

/// In: a share's handle. Out: the share to store: identifier, threshold, secret, group key. It is secret.
#[no_mangle]
pub extern "C" fn frost_share_export(length: usize) -> i32 {
    finish((|| {
        let share = share(Reader::request(length)?.u32()?)?;
        let mut out = begin_stored(SHARE);
        out.extend(number(share.identifier()).to_le_bytes());
        out.extend(share.min_signers().to_le_bytes());
        out.extend(share.signing_share().serialize());
        out.extend(share.verifying_key().serialize()?);
        Ok(out)
    })())
}

/// In: a share's handle. Out: what is public of it: identifier, threshold, group key.
#[no_mangle]
pub extern "C" fn frost_share_about(length: usize) -> i32 {
    finish((|| {
        let share = share(Reader::request(length)?.u32()?)?;
        let mut out = number(share.identifier()).to_le_bytes().to_vec();
        out.extend(share.min_signers().to_le_bytes());
        out.extend(share.verifying_key().serialize()?);
        Ok(out)
    })())
}

/// In: a stored share. Out: its handle.
#[no_mangle]
pub extern "C" fn frost_share_import(length: usize) -> i32 {
    finish((|| {
        let mut input = open_stored(SHARE, Reader::request(length)?.rest())?;
        let (member, threshold) = (input.u16()?, input.u16()?);
        let secret = scalar(input.bytes()?)?;
        let key = VerifyingKey::deserialize(input.bytes::<32>()?)?;
        input.end()?;
        if threshold < super::THRESHOLD_MIN {
            return Err(plain(Reason::BadNumbers));
        }
        let share = share_from(member, secret, threshold, &key)?;
        Ok(hold(Held::Share(Box::new(share)))?.to_le_bytes().to_vec())
    })())
}

/// In: a group's handle. Out: the group to store: threshold, count, group key, then member and public share of each.
#[no_mangle]
pub extern "C" fn frost_group_export(length: usize) -> i32 {
    finish((|| {
        let group = group_of(Reader::request(length)?.u32()?)?;
        let mut out = begin_stored(GROUP);
        out.extend(group.min_signers().unwrap_or(0).to_le_bytes());
        out.push(group.verifying_shares().len() as u8);
        out.extend(group.verifying_key().serialize()?);
        for (member, public) in group.verifying_shares() {
            out.extend(number(member).to_le_bytes());
            out.extend(public.serialize()?);
        }
        Ok(out)
    })())
}

/// In: a stored group. Out: its handle.
#[no_mangle]
pub extern "C" fn frost_group_import(length: usize) -> i32 {
    finish((|| {
        let mut input = open_stored(GROUP, Reader::request(length)?.rest())?;
        let threshold = input.u16()?;
        let count = input.u8()?;
        let key = VerifyingKey::deserialize(input.bytes::<32>()?)?;
        let mut publics = BTreeMap::new();
        let mut last = 0;
        for _ in 0..count {
            let member = input.u16()?;
            // Ascending, so that a group has one encoding and no member twice.
            if member <= last {
                return Err(plain(Reason::Malformed));
            }
            last = member;
            publics.insert(identifier(member)?, VerifyingShare::deserialize(input.bytes::<32>()?)?);
        }
        input.end()?;
        if publics.len() > super::MEMBERS_MAX || threshold < super::THRESHOLD_MIN {
            return Err(plain(Reason::BadNumbers));
        }
        if usize::from(threshold) > publics.len() {
            return Err(plain(Reason::BadNumbers));
        }
        let group = PublicKeyPackage::new(publics, key, Some(threshold));
        Ok(hold(Held::Group(Box::new(group)))?.to_le_bytes().to_vec())
    })())
}

/// Adds messages to an answer: a count, then recipient and blob for each.
pub fn put_messages(out: &mut Vec<u8>, messages: &[(u16, Vec<u8>)]) {
    out.push(messages.len() as u8);
    for (to, message) in messages {
        out.extend(to.to_le_bytes());
        put_blob(out, message);
    }
}
