//! A lost share, brought back by enough of the others without anyone learning anyone's share (the repairable
//! threshold scheme of https://eprint.iacr.org/2017/1155, section 4.1, that frost-core follows), with what it lacks:
//! each helper commits to its deltas, so that a delta or sigma that is wrong names who sent it.
//!
//! A helper splits what its share counts for at the lost identifier into deltas, one for each helper (itself too).
//! Each helper adds up the deltas that it got into a sigma for the one who lost its share; the sigmas add up to it.

use super::fault::{by, finish, number, plain, Fault, Reason};
use super::group::{public_of, put_messages, secret_of, share_from};
use super::polynomial::{lagrange, points, put_points, scalar};
use super::wire::{begin, open, put_blob, Reader, Session};
use super::wire::{REPAIR_COMMITMENT, REPAIR_DELTA, REPAIR_SIGMA};
use super::{group_of, hold, share, Held};
use crate::random::Host;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use frost_ed25519::keys::PublicKeyPackage;
use zeroize::Zeroizing;

/// What all who take part in a repair know.
struct Repair<'a> {
    session: &'a Session,
    group: &'static PublicKeyPackage,
    lost: u16,
    helpers: BTreeSet<u16>,
}

/// Reads session, group, the lost identifier and the helpers: enough members, the loser not among them.
fn repair(input: &mut Reader<'static>) -> Result<Repair<'static>, Fault> {
    let session = input.bytes()?;
    let group = group_of(input.u32()?)?;
    let lost = input.u16()?;
    let helpers = input.members()?;
    if helpers.len() < usize::from(group.min_signers().unwrap_or(u16::MAX)) || helpers.contains(&lost) {
        return Err(plain(Reason::BadNumbers));
    }
    for member in helpers.iter().chain([&lost]) {
        public_of(group, *member)?;
    }
    Ok(Repair { session, group, lost, helpers })
}

/// A helper's first step. In: what `repair` reads, the helper's share. Out: the commitment to broadcast, to the loser
/// too, then a secret delta for each helper, itself among them.
#[no_mangle]
pub extern "C" fn frost_repair_deltas(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let Repair { session, group, lost, helpers } = repair(&mut input)?;
        let share = share(input.u32()?)?;
        input.end()?;
        let own = number(share.identifier());
        let known = group.verifying_shares().get(share.identifier());
        if !helpers.contains(&own) || known != Some(share.verifying_share()) {
            return Err(by(Reason::OtherGroup, own));
        }
        let whole = Zeroizing::new(lagrange(&helpers, own, lost) * secret_of(share)?);
        let mut deltas: Zeroizing<Vec<Scalar>> = Zeroizing::new(Vec::with_capacity(helpers.len()));
        deltas.extend((1..helpers.len()).map(|_| Scalar::random(&mut Host)));
        let rest = *whole - deltas.iter().sum::<Scalar>();
        deltas.push(rest);

        let mut commitment = begin(REPAIR_COMMITMENT, session, own);
        let public: Vec<EdwardsPoint> = deltas.iter().map(EdwardsPoint::mul_base).collect();
        put_points(&mut commitment, &public);
        let message = |(to, delta): (&u16, &Scalar)| {
            let mut out = begin(REPAIR_DELTA, session, own);
            out.extend(to.to_le_bytes());
            out.extend(delta.as_bytes());
            (*to, out)
        };
        let messages: Vec<_> = helpers.iter().zip(deltas.iter()).map(message).collect();
        let mut out = Vec::new();
        put_blob(&mut out, &commitment);
        put_messages(&mut out, &messages);
        Ok(out)
    })())
}

/// Each helper's commitment, by the helper that its deltas go to: they must add up to what the helper's public share
/// counts for.
fn commitments(
    repair: &Repair,
    messages: BTreeMap<u16, &[u8]>,
) -> Result<BTreeMap<u16, Vec<EdwardsPoint>>, Fault> {
    let mut all = BTreeMap::new();
    for (from, message) in messages {
        let count = repair.helpers.len();
        let read = open(REPAIR_COMMITMENT, repair.session, from, message, |body| points(body, count))?;
        let whole = public_of(repair.group, from)? * lagrange(&repair.helpers, from, repair.lost);
        if read.iter().sum::<EdwardsPoint>() != whole {
            return Err(by(Reason::BadShare, from));
        }
        all.insert(from, read);
    }
    Ok(all)
}

/// A helper's second step. In: what `repair` reads, own identifier, all helpers' commitments, their deltas for this
/// helper. Out: the secret sigma for the loser.
#[no_mangle]
pub extern "C" fn frost_repair_sigma(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let repair = repair(&mut input)?;
        let own = input.u16()?;
        let place = repair.helpers.iter().position(|helper| *helper == own);
        let place = place.ok_or_else(|| by(Reason::NotMember, own))?;
        let commitments = commitments(&repair, input.messages(&repair.helpers)?)?;
        let mut sigma = Zeroizing::new(Scalar::ZERO);
        for (from, message) in input.messages(&repair.helpers)? {
            let delta = open(REPAIR_DELTA, repair.session, from, message, |body| {
                if body.u16()? != own {
                    return Err(plain(Reason::Misdirected));
                }
                scalar(body.bytes()?)
            })?;
            if commitments.get(&from).and_then(|all| all.get(place)) != Some(&EdwardsPoint::mul_base(&delta)) {
                return Err(by(Reason::BadShare, from));
            }
            *sigma += delta;
        }
        input.end()?;
        let mut out = begin(REPAIR_SIGMA, repair.session, own);
        out.extend(repair.lost.to_le_bytes());
        out.extend(sigma.as_bytes());
        Ok(out)
    })())
}

/// The loser's step. In: what `repair` reads, all helpers' commitments, their sigmas. Out: a handle of the share.
#[no_mangle]
pub extern "C" fn frost_repair_finish(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let repair = repair(&mut input)?;
        let commitments = commitments(&repair, input.messages(&repair.helpers)?)?;
        let mut secret = Zeroizing::new(Scalar::ZERO);
        for (place, (from, message)) in input.messages(&repair.helpers)?.into_iter().enumerate() {
            let sigma = open(REPAIR_SIGMA, repair.session, from, message, |body| {
                if body.u16()? != repair.lost {
                    return Err(plain(Reason::Misdirected));
                }
                scalar(body.bytes()?)
            })?;
            let expected: EdwardsPoint = commitments.values().filter_map(|all| all.get(place)).sum();
            if EdwardsPoint::mul_base(&sigma) != expected {
                return Err(by(Reason::BadShare, from));
            }
            *secret += sigma;
        }
        input.end()?;
        let threshold = repair.group.min_signers().unwrap_or(0);
        let share = share_from(repair.lost, *secret, threshold, repair.group.verifying_key())?;
        Ok(hold(Held::Share(Box::new(share)))?.to_le_bytes().to_vec())
    })())
}
