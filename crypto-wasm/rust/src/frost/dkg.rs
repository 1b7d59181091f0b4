//! Distributed key generation (the FROST paper's, as frost-core has it): Pedersen's with proofs of possession. No one
//! ever knows the key. A bad share names its dealer, and `frost_dkg_judge` lets all others decide a complaint.
//!
//! What it does not protect: the members must see the same commitments. They compare their groups' encodings at the
//! end, and one that differs means that someone showed different commitments to different members.

use super::fault::{by, finish, number, plain, Fault, Reason};
use super::group::{hold_both, put_messages};
use super::wire::{begin, identifier, open, put_blob, Reader, Session, DKG_COMMITMENT, DKG_SHARE};
use super::{held, hold, taken, Held};
use crate::random::Host;
use crate::status::NO_SUCH_HANDLE;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use frost_ed25519::keys::dkg::{self, round1, round2};
use frost_ed25519::keys::{SecretShare, SigningShare, VerifiableSecretSharingCommitment};
use frost_ed25519::{Identifier, Signature};

/// A ceremony's settings, and who else takes part.
#[derive(Clone)]
struct Ceremony {
    session: Session,
    own: u16,
    others: BTreeSet<u16>,
    threshold: u16,
}

pub struct First {
    ceremony: Ceremony,
    secret: round1::SecretPackage,
}

pub struct Second {
    ceremony: Ceremony,
    secret: round2::SecretPackage,
    commitments: BTreeMap<Identifier, round1::Package>,
}

/// In: session, members, threshold, own identifier (among the members). Out: a handle, then the commitment to broadcast.
#[no_mangle]
pub extern "C" fn frost_dkg_begin(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let session = *input.bytes()?;
        let mut others = input.members()?;
        let threshold = input.threshold(others.len())?;
        let own = input.u16()?;
        input.end()?;
        let count = others.len() as u16;
        if !others.remove(&own) {
            return Err(by(Reason::NotMember, own));
        }
        let (secret, package) = dkg::part1(identifier(own)?, count, threshold, Host)?;
        let mut message = begin(DKG_COMMITMENT, &session, own);
        message.extend(threshold.to_le_bytes());
        message.extend(package.commitment().serialize_whole()?);
        message.extend(package.proof_of_knowledge().serialize()?);
        let ceremony = Ceremony { session, own, others, threshold };
        let handle = hold(Held::DkgFirst(Box::new(First { ceremony, secret })))?;
        let mut out = handle.to_le_bytes().to_vec();
        put_blob(&mut out, &message);
        Ok(out)
    })())
}

/// Reads a commitment; its threshold must be the ceremony's.
fn package(session: &Session, threshold: u16, from: u16, message: &[u8]) -> Result<round1::Package, Fault> {
    open(DKG_COMMITMENT, session, from, message, |body| {
        if body.u16()? != threshold {
            return Err(plain(Reason::BadNumbers));
        }
        let commitment = body.slice(32 * usize::from(threshold))?;
        let commitment = VerifiableSecretSharingCommitment::deserialize_whole(commitment)?;
        Ok(round1::Package::new(commitment, Signature::deserialize(body.slice(64)?)?))
    })
}

/// In: the handle, the others' commitments. Out: a new handle, then a secret share for each other member. The old
/// handle stays where a commitment is refused, so that its sender can be asked again, and where memory is full.
#[no_mangle]
pub extern "C" fn frost_dkg_share(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let handle = input.u32()?;
        let Held::DkgFirst(first) = held(handle)? else { return Err(NO_SUCH_HANDLE.into()) };
        let Ceremony { session, own, others, threshold } = &first.ceremony;
        let mut commitments = BTreeMap::new();
        for (from, message) in input.messages(others)? {
            commitments.insert(identifier(from)?, package(session, *threshold, from, message)?);
        }
        input.end()?;
        let (secret, packages) = dkg::part2(first.secret.clone(), &commitments)?;
        let mut messages = Vec::with_capacity(packages.len());
        for (to, package) in &packages {
            let mut out = begin(DKG_SHARE, session, *own);
            out.extend(number(to).to_le_bytes());
            out.extend(package.signing_share().serialize());
            messages.push((number(to), out));
        }
        let second = Second { ceremony: first.ceremony.clone(), secret, commitments };
        // Held first: where there is no room, the step can be done again.
        let mut out = hold(Held::DkgSecond(Box::new(second)))?.to_le_bytes().to_vec();
        taken(handle)?;
        put_messages(&mut out, &messages);
        Ok(out)
    })())
}

fn dealt(session: &Session, from: u16, to: u16, message: &[u8]) -> Result<SigningShare, Fault> {
    open(DKG_SHARE, session, from, message, |body| {
        if body.u16()? != to {
            return Err(plain(Reason::Misdirected));
        }
        Ok(SigningShare::deserialize(body.bytes::<32>()?)?)
    })
}

/// In: the handle, the others' secret shares. Out: handles of the share and of its group. The ceremony's handle stays
/// where a share is refused, so that its sender can mend it in answer to a complaint, and where memory is full.
#[no_mangle]
pub extern "C" fn frost_dkg_finish(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let handle = input.u32()?;
        let Held::DkgSecond(second) = held(handle)? else { return Err(NO_SUCH_HANDLE.into()) };
        let Ceremony { session, own, others, .. } = &second.ceremony;
        let mut shares = BTreeMap::new();
        for (from, message) in input.messages(others)? {
            let share = dealt(session, from, *own, message)?;
            shares.insert(identifier(from)?, round2::Package::new(share));
        }
        input.end()?;
        let (share, group) = dkg::part3(&second.secret, &second.commitments, &shares)?;
        let out = hold_both(share, group)?;
        taken(handle)?;
        Ok(out)
    })())
}

/// Decides a complaint, for anyone. In: session, threshold, the accused, the accuser, the accused's commitment as a
/// blob, then the share that the accused says it sent to the accuser. Out: 1 where the share holds (the complaint is
/// groundless, and the accuser may go on with this share), 0 where it doesn't. A share or commitment that can't be
/// read is the accused's fault.
#[no_mangle]
pub extern "C" fn frost_dkg_judge(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let session = input.bytes()?;
        let threshold = input.u16()?;
        let (accused, accuser) = (input.u16()?, input.u16()?);
        let package = package(session, threshold, accused, input.blob()?)?;
        let share = dealt(session, accused, accuser, input.rest())?;
        let share = SecretShare::new(identifier(accuser)?, share, package.commitment().clone());
        Ok([share.verify().is_ok() as u8].to_vec())
    })())
}
