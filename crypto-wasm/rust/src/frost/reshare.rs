//! The same key in new shares: for the same members (a refresh, after which old shares are worth nothing), for other
//! members, or with another threshold. Desmedt and Jajodia's redistribution with Feldman's commitments: enough old
//! members each share out what their share counts for, and the new members add up what they get. The commitments
//! must begin with what the old group's public shares say, so a wrong one names its dealer.
//!
//! What it does not protect: old shares stay good with one another until their holders wipe them. New members compare
//! their groups' encodings before anyone does.

use super::fault::{by, finish, number, plain, Fault, Reason};
use super::group::{hold_both, public_of, put_messages, secret_of, share_from};
use super::polynomial::{committed, lagrange, points, put_points, scalar, sum, Polynomial};
use super::wire::{begin, identifier, open, put_blob, Reader, Session};
use super::wire::{RESHARE_COMMITMENT, RESHARE_SHARE};
use super::{group_of, share};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use frost_ed25519::keys::{PublicKeyPackage, VerifyingShare};
use zeroize::Zeroizing;

/// What all who take part know: the old group, which of it deal, and the new members and their threshold.
struct Reshare<'a> {
    session: &'a Session,
    group: &'static PublicKeyPackage,
    dealers: BTreeSet<u16>,
    members: BTreeSet<u16>,
    threshold: u16,
}

fn reshare(input: &mut Reader<'static>) -> Result<Reshare<'static>, Fault> {
    let session = input.bytes()?;
    let group = group_of(input.u32()?)?;
    let dealers = input.members()?;
    let members = input.members()?;
    let threshold = input.threshold(members.len())?;
    if dealers.len() < usize::from(group.min_signers().unwrap_or(u16::MAX)) {
        return Err(plain(Reason::BadNumbers));
    }
    for dealer in &dealers {
        public_of(group, *dealer)?;
    }
    Ok(Reshare { session, group, dealers, members, threshold })
}

/// A dealer's step. In: what `reshare` reads, the dealer's share. Out: the commitment to broadcast to the new members,
/// then a secret share for each of them.
#[no_mangle]
pub extern "C" fn frost_reshare_deal(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let Reshare { session, group, dealers, members, threshold } = reshare(&mut input)?;
        let share = share(input.u32()?)?;
        input.end()?;
        let own = number(share.identifier());
        let known = group.verifying_shares().get(share.identifier());
        if !dealers.contains(&own) || known != Some(share.verifying_share()) {
            return Err(by(Reason::OtherGroup, own));
        }
        let secret = lagrange(&dealers, own, 0) * secret_of(share)?;
        let polynomial = Polynomial::new(secret, threshold);
        let mut commitment = begin(RESHARE_COMMITMENT, session, own);
        commitment.extend(threshold.to_le_bytes());
        put_points(&mut commitment, &polynomial.commitment());
        let message = |to: &u16| {
            let mut out = begin(RESHARE_SHARE, session, own);
            out.extend(to.to_le_bytes());
            out.extend(polynomial.at(*to).as_bytes());
            (*to, out)
        };
        let messages: Vec<_> = members.iter().map(message).collect();
        let mut out = Vec::new();
        put_blob(&mut out, &commitment);
        put_messages(&mut out, &messages);
        Ok(out)
    })())
}

fn commitment(reshare: &Reshare, from: u16, message: &[u8]) -> Result<Vec<EdwardsPoint>, Fault> {
    let read = open(RESHARE_COMMITMENT, reshare.session, from, message, |body| {
        if body.u16()? != reshare.threshold {
            return Err(plain(Reason::BadNumbers));
        }
        points(body, usize::from(reshare.threshold))
    })?;
    let due = public_of(reshare.group, from)? * lagrange(&reshare.dealers, from, 0);
    if read.first() != Some(&due) {
        return Err(by(Reason::BadProof, from));
    }
    Ok(read)
}

/// A new member's step. In: what `reshare` reads, own identifier, the dealers' commitments, their secret shares. Out:
/// handles of the new share and of the new group.
#[no_mangle]
pub extern "C" fn frost_reshare_finish(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let reshare = reshare(&mut input)?;
        let own = input.u16()?;
        if !reshare.members.contains(&own) {
            return Err(by(Reason::NotMember, own));
        }
        let mut commitments = BTreeMap::new();
        for (from, message) in input.messages(&reshare.dealers)? {
            commitments.insert(from, commitment(&reshare, from, message)?);
        }
        let mut secret = Zeroizing::new(Scalar::ZERO);
        for (from, message) in input.messages(&reshare.dealers)? {
            let part = open(RESHARE_SHARE, reshare.session, from, message, |body| {
                if body.u16()? != own {
                    return Err(plain(Reason::Misdirected));
                }
                scalar(body.bytes()?)
            })?;
            let due = commitments.get(&from).map(|all| committed(all, own));
            if due != Some(EdwardsPoint::mul_base(&part)) {
                return Err(by(Reason::BadShare, from));
            }
            *secret += part;
        }
        input.end()?;
        let total = sum(commitments.values(), usize::from(reshare.threshold));
        let group = new_group(&reshare, &total)?;
        let key = reshare.group.verifying_key();
        hold_both(share_from(own, *secret, reshare.threshold, key)?, group)
    })())
}

/// The group behind the summed commitment; its key must be the old one's.
fn new_group(reshare: &Reshare, total: &[EdwardsPoint]) -> Result<PublicKeyPackage, Fault> {
    let key = *reshare.group.verifying_key();
    let begins = total.first().map(|point| point.compress().to_bytes().to_vec());
    if begins != Some(key.serialize()?) {
        return Err(plain(Reason::OtherGroup));
    }
    let mut publics = BTreeMap::new();
    for member in &reshare.members {
        let public = committed(total, *member);
        // A share of zero signs nothing. A dealer can bring it about only who knows what all others sent to that
        // member: it itself, or one that it told.
        if public.is_identity() {
            return Err(by(Reason::BadShare, *member));
        }
        let public = public.compress();
        publics.insert(identifier(*member)?, VerifyingShare::deserialize(public.as_bytes())?);
    }
    Ok(PublicKeyPackage::new(publics, key, Some(reshare.threshold)))
}
