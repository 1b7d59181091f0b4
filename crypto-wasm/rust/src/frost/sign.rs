//! The two rounds of a signature (RFC 9591, section 5), and its aggregation, which names whoever's share is wrong.
//!
//! Nonces live in a slot of this module's memory and nowhere else: there is no encoding of them. A signature takes
//! them out before it looks at anything else, so whatever comes of it, they can't be used again; and a crash takes
//! them along. What this can't see is a machine that is copied or set back while it runs, memory and all.
//!
//! Commitments name the session of their signing and the share that they were made by, so that a package refuses
//! those of an earlier signing, of another group, or from before a refresh, and says whose they are.

use super::fault::{by, finish, number, plain, Fault, Reason};
use super::wire::{begin, identifier, open, put_blob, Reader, Session, COMMITMENTS, SIGNATURE_SHARE};
use super::{group_of, held, hold, share, taken, Held};
use crate::random::Host;
use crate::status::{MALFORMED, NO_SUCH_HANDLE};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use frost_core::{BindingFactorList, Challenge, GroupCommitment};
use frost_ed25519::keys::{KeyPackage, PublicKeyPackage, VerifyingShare};
use frost_ed25519::round1::{self, NonceCommitment, SigningCommitments, SigningNonces};
use frost_ed25519::round2::SignatureShare;
use frost_ed25519::{Ciphersuite, Error, Identifier, Signature, SigningPackage, VerifyingKey};
use sha2::{Digest, Sha512};

/// Tells one package from another: a signature share carries it, so that one for another package is known at sight.
type Tag = [u8; 16];

/// The longest message that is signed: packages keep theirs, and memory is bounded.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

type Suite = frost_ed25519::Ed25519Sha512;

/// What is to be signed and by whom, decoded once for all that sign or aggregate here, and what follows from it.
pub struct Package {
    signing: SigningPackage,
    factors: BindingFactorList<Suite>,
    commitment: GroupCommitment<Suite>,
    challenge: Challenge<Suite>,
    signers: BTreeSet<u16>,
    group: PublicKeyPackage,
    session: Session,
    tag: Tag,
}

/// Tells by which share of which group commitments were made.
fn share_tag(key: &VerifyingKey, public: &VerifyingShare) -> Result<Tag, Error> {
    let mut hash = Sha512::new();
    hash.update(b"dchat frost commitments v2");
    hash.update(key.serialize()?);
    hash.update(public.serialize()?);
    Ok(shortened(hash))
}

fn shortened(hash: Sha512) -> Tag {
    let mut tag = Tag::default();
    tag.copy_from_slice(&hash.finalize()[..16]);
    tag
}

/// In: the session of the signing, a share's handle. Out: a handle of nonces, then their commitments for the coordinator.
#[no_mangle]
pub extern "C" fn frost_commit(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let session = input.bytes()?;
        let share = share(input.u32()?)?;
        input.end()?;
        let (nonces, commitments) = round1::commit(share.signing_share(), &mut Host);
        let mut message = begin(COMMITMENTS, session, number(share.identifier()));
        message.extend(share_tag(share.verifying_key(), share.verifying_share())?);
        message.extend(commitments.hiding().serialize()?);
        message.extend(commitments.binding().serialize()?);
        let mut out = hold(Held::Nonces(Box::new(nonces)))?.to_le_bytes().to_vec();
        put_blob(&mut out, &message);
        Ok(out)
    })())
}

/// In: the session, a group's handle, who signs, their commitments, and the message. Out: a handle of the package.
#[no_mangle]
pub extern "C" fn frost_package(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let session = input.bytes()?;
        let group = group_of(input.u32()?)?;
        let signers = input.members()?;
        if signers.len() < usize::from(group.min_signers().unwrap_or(u16::MAX)) {
            return Err(plain(Reason::BadNumbers));
        }
        let mut hash = Sha512::new();
        hash.update(b"dchat frost package v2");
        hash.update(group.verifying_key().serialize()?);
        let mut commitments = BTreeMap::new();
        for (from, message) in input.messages(&signers)? {
            let member = identifier(from)?;
            let public = group.verifying_shares().get(&member).ok_or_else(|| by(Reason::NotMember, from))?;
            let due = share_tag(group.verifying_key(), public)?;
            let read = open(COMMITMENTS, session, from, message, |body| {
                if *body.bytes()? != due {
                    return Err(plain(Reason::OtherGroup));
                }
                let hiding = NonceCommitment::deserialize(body.bytes::<32>()?)?;
                let binding = NonceCommitment::deserialize(body.bytes::<32>()?)?;
                Ok(SigningCommitments::new(hiding, binding))
            })?;
            hash.update(message);
            commitments.insert(member, read);
        }
        let message = input.rest();
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(MALFORMED.into());
        }
        hash.update(message);
        let tag = shortened(hash);
        let signing = SigningPackage::new(commitments, message);
        let key = group.verifying_key();
        let factors = frost_core::compute_binding_factor_list(&signing, key, &[])?;
        let commitment = frost_core::compute_group_commitment(&signing, &factors)?;
        let challenge = Suite::challenge(&commitment.clone().to_element(), key, signing.message())?;
        let (group, session) = (group.clone(), *session);
        let package = Package { signing, factors, commitment, challenge, signers, group, session, tag };
        Ok(hold(Held::Package(Box::new(package)))?.to_le_bytes().to_vec())
    })())
}

fn package(handle: u32) -> Result<&'static Package, Fault> {
    match held(handle)? {
        Held::Package(package) => Ok(package),
        _ => Err(NO_SUCH_HANDLE.into()),
    }
}

/// In: handles of nonces, of a share, of a package. Out: the signature share. The nonces are gone, whatever it answers.
#[no_mangle]
pub extern "C" fn frost_sign(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let handle = input.u32()?;
        // Nothing else is taken out in their place.
        let Held::Nonces(_) = held(handle)? else { return Err(NO_SUCH_HANDLE.into()) };
        let Held::Nonces(nonces) = taken(handle)? else { return Err(NO_SUCH_HANDLE.into()) };
        let share = share(input.u32()?)?;
        let package = package(input.u32()?)?;
        input.end()?;
        let own = number(share.identifier());
        let known = package.group.verifying_shares().get(share.identifier());
        if known != Some(share.verifying_share()) || package.group.verifying_key() != share.verifying_key() {
            return Err(by(Reason::OtherGroup, own));
        }
        let signed = sign(package, &nonces, share).map_err(|error| match Fault::from(error) {
            // What the package has of this member is of other nonces than these.
            Fault::Refused(Reason::OtherNonces, _) => by(Reason::OtherNonces, own),
            other => other,
        })?;
        let mut out = begin(SIGNATURE_SHARE, &package.session, own);
        out.extend(package.tag);
        out.extend(signed.serialize());
        Ok(out)
    })())
}

/// Round two as `round2::sign` has it, over what the package holds already.
fn sign(package: &Package, nonces: &SigningNonces, share: &KeyPackage) -> Result<SignatureShare, Error> {
    let Package { signing, factors, challenge, .. } = package;
    if signing.signing_commitments().len() < usize::from(*share.min_signers()) {
        return Err(Error::IncorrectNumberOfCommitments);
    }
    let own = share.identifier();
    let commitment = signing.signing_commitment(own).ok_or(Error::MissingCommitment)?;
    if *nonces.commitments() != commitment {
        return Err(Error::IncorrectCommitment);
    }
    let factor = factors.get(own).ok_or(Error::UnknownIdentifier)?.clone();
    let lambda = frost_core::derive_interpolating_value(own, signing)?;
    Ok(frost_core::round2::compute_signature_share(nonces, factor, lambda, share, *challenge))
}

/// In: a package's handle, the signers' shares. Out: the signature, 64 bytes, which holds as any Ed25519 signature.
#[no_mangle]
pub extern "C" fn frost_aggregate(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let Package { signing, commitment, challenge, signers, group, session, tag, .. } =
            package(input.u32()?)?;
        let mut shares: BTreeMap<Identifier, SignatureShare> = BTreeMap::new();
        for (from, message) in input.messages(signers)? {
            let share = open(SIGNATURE_SHARE, session, from, message, |body| {
                if body.bytes::<16>()? != tag {
                    return Err(plain(Reason::Replayed));
                }
                Ok(SignatureShare::deserialize(body.bytes::<32>()?)?)
            })?;
            shares.insert(identifier(from)?, share);
        }
        input.end()?;
        let z = shares.values().map(|share| share.share().0).sum();
        let signature = Signature::new(commitment.clone().to_element(), z);
        if group.verifying_key().verify_prehashed(*challenge, &signature).is_ok() {
            return Ok(signature.serialize()?);
        }
        // Finds out whose share is wrong.
        let detection = frost_core::CheaterDetection::AllCheaters;
        Ok(frost_core::aggregate_custom(signing, &shares, group, detection)?.serialize()?)
    })())
}

/// In: a package's handle, a signer, its share. Out: 1 where the share holds, else 0.
#[no_mangle]
pub extern "C" fn frost_share_holds(length: usize) -> i32 {
    finish((|| {
        let mut input = Reader::request(length)?;
        let Package { signing, group, session, tag, .. } = package(input.u32()?)?;
        let from = input.u16()?;
        let member = identifier(from)?;
        let public: &VerifyingShare =
            group.verifying_shares().get(&member).ok_or_else(|| by(Reason::NotMember, from))?;
        let share = open(SIGNATURE_SHARE, session, from, input.rest(), |body| {
            if body.bytes::<16>()? != tag {
                return Err(plain(Reason::Replayed));
            }
            Ok(SignatureShare::deserialize(body.bytes::<32>()?)?)
        })?;
        let key = group.verifying_key();
        let holds = frost_core::verify_signature_share(member, public, &share, signing, key).is_ok();
        Ok([holds as u8].to_vec())
    })())
}
