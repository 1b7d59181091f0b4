//! FROST(Ed25519, SHA-512), RFC 9591, over frost-ed25519, with what a key's life needs beyond it: repair that names
//! who lied, and resharing to other members and another threshold (which is also how shares are refreshed).
//!
//! Every operation takes one request and gives one answer (`wire`); keys, nonces and ceremonies under way are held
//! inside and named by handles. Messages are checked against the sender that the caller's channel authenticated, and
//! what is refused names that sender (`fault`). Nothing here opens a channel: messages of kind DEALT, DKG_SHARE,
//! REPAIR_DELTA, REPAIR_SIGMA and RESHARE_SHARE are secret and need a confidential one.

mod deal;
mod dkg;
mod fault;
mod group;
mod polynomial;
mod repair;
mod reshare;
mod sign;
mod wire;

use crate::handle::{self, keep};
use crate::status::NO_SUCH_HANDLE;
use alloc::boxed::Box;
use fault::Fault;
use frost_ed25519::{keys, round1};

/// The most participants that a group may have.
pub const MEMBERS_MAX: usize = 16;
/// The fewest that may be needed to sign: one alone would be a plain key.
pub const THRESHOLD_MIN: u16 = 2;

/// What a handle of this module names.
pub enum Held {
    Share(Box<keys::KeyPackage>),
    Group(Box<keys::PublicKeyPackage>),
    /// Taken out by the first signature that is tried with them; there is no way to write them down.
    Nonces(Box<round1::SigningNonces>),
    Package(Box<sign::Package>),
    DkgFirst(Box<dkg::First>),
    DkgSecond(Box<dkg::Second>),
}

fn hold(held: Held) -> Result<u32, Fault> {
    Ok(keep(handle::Held::Frost(held))?)
}

fn held(handle: u32) -> Result<&'static Held, Fault> {
    match handle::held(handle)? {
        handle::Held::Frost(held) => Ok(held),
        _ => Err(NO_SUCH_HANDLE.into()),
    }
}

fn taken(handle: u32) -> Result<Held, Fault> {
    held(handle)?;
    match handle::remove(handle)? {
        handle::Held::Frost(held) => Ok(held),
        _ => Err(NO_SUCH_HANDLE.into()),
    }
}

fn share(handle: u32) -> Result<&'static keys::KeyPackage, Fault> {
    match held(handle)? {
        Held::Share(share) => Ok(share),
        _ => Err(NO_SUCH_HANDLE.into()),
    }
}

fn group_of(handle: u32) -> Result<&'static keys::PublicKeyPackage, Fault> {
    match held(handle)? {
        Held::Group(group) => Ok(group),
        _ => Err(NO_SUCH_HANDLE.into()),
    }
}
