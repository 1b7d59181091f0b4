//! A trusted dealer (RFC 9591, appendix C): one party makes or splits a key. Each member checks its share against the
//! commitment and works the group out by itself.

use super::fault::{by, finish, number, plain, Fault, Reason};
use super::group::{hold_both, put_messages};
use super::wire::{begin, identifier, open, Reader, DEALT};
use crate::random::Host;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use frost_ed25519::keys::{
    self, IdentifierList, KeyPackage, PublicKeyPackage, SecretShare, SigningShare,
    VerifiableSecretSharingCommitment,
};
use frost_ed25519::SigningKey;

/// In: session, members, threshold, and a secret scalar to split (32 bytes) or nothing for a new key. Out: a message
/// for each member.
#[no_mangle]
pub extern "C" fn frost_deal(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let session = input.bytes()?;
        let members = input.members()?;
        let threshold = input.threshold(members.len())?;
        let key = match input.rest() {
            [] => SigningKey::new(&mut Host),
            secret => SigningKey::deserialize(secret)?,
        };
        let identifiers = identifiers(&members)?;
        let list = IdentifierList::Custom(&identifiers);
        let (shares, _) = keys::split(&key, members.len() as u16, threshold, list, &mut Host)?;
        let mut messages = Vec::with_capacity(shares.len());
        for (member, share) in &shares {
            let mut out = begin(DEALT, session, 0);
            out.extend(number(member).to_le_bytes());
            out.extend(share.commitment().serialize_whole()?);
            out.extend(share.signing_share().serialize());
            messages.push((number(member), out));
        }
        let mut out = Vec::new();
        put_messages(&mut out, &messages);
        Ok(out)
    })())
}

fn identifiers(members: &BTreeSet<u16>) -> Result<Vec<frost_ed25519::Identifier>, Fault> {
    members.iter().map(|member| identifier(*member)).collect()
}

/// In: session, members, threshold, own identifier, the dealer's message. Out: handles of the share and of its group.
#[no_mangle]
pub extern "C" fn frost_accept(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let session = input.bytes()?;
        let members = input.members()?;
        let threshold = input.threshold(members.len())?;
        let own = input.u16()?;
        if !members.contains(&own) {
            return Err(by(Reason::NotMember, own));
        }
        let share = open(DEALT, session, 0, input.rest(), |body| {
            if body.u16()? != own {
                return Err(plain(Reason::Misdirected));
            }
            let commitment = body.slice(32 * usize::from(threshold))?;
            let commitment = VerifiableSecretSharingCommitment::deserialize_whole(commitment)?;
            let share = SigningShare::deserialize(body.bytes::<32>()?)?;
            Ok(SecretShare::new(identifier(own)?, share, commitment))
        })?;
        let identifiers = identifiers(&members)?.into_iter().collect();
        let group = PublicKeyPackage::from_commitment(&identifiers, share.commitment())?;
        let share = KeyPackage::try_from(share).map_err(|_| by(Reason::BadShare, 0))?;
        hold_both(share, group)
    })())
}
