//! Requests and messages as bytes. Numbers are little-endian.
//!
//! A message begins with version (1), kind (1), session (32) and sender (2). What a participant stores (a share, a
//! group) begins with version and kind alone.

use super::fault::{by, plain, Fault, Reason};
use super::{MEMBERS_MAX, THRESHOLD_MIN};
use crate::memory::{request, take, take_slice, take_u32};
use crate::status::MALFORMED;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use frost_ed25519::Identifier;

/// The version that all messages carry. In the first, those of a signing had no session.
const VERSION: u8 = 2;
/// The version of what a participant stores.
const STORED_VERSION: u8 = 1;

pub const SHARE: u8 = 1;
pub const GROUP: u8 = 2;
pub const COMMITMENTS: u8 = 3;
pub const SIGNATURE_SHARE: u8 = 4;
pub const DKG_COMMITMENT: u8 = 5;
pub const DKG_SHARE: u8 = 6;
pub const DEALT: u8 = 7;
pub const REPAIR_COMMITMENT: u8 = 8;
pub const REPAIR_DELTA: u8 = 9;
pub const REPAIR_SIGMA: u8 = 10;
pub const RESHARE_COMMITMENT: u8 = 11;
pub const RESHARE_SHARE: u8 = 12;

pub type Session = [u8; 32];

/// Reads a request or a message from its front.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The request of `length` bytes in the arena.
    pub fn request(length: usize) -> Result<Reader<'static>, Fault> {
        Ok(Reader(request(length)?))
    }
    pub fn u8(&mut self) -> Result<u8, Fault> {
        Ok(take::<1>(&mut self.0)?[0])
    }
    pub fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(*take(&mut self.0)?))
    }
    pub fn u32(&mut self) -> Result<u32, Fault> {
        Ok(take_u32(&mut self.0)? as u32)
    }
    pub fn bytes<const N: usize>(&mut self) -> Result<&'a [u8; N], Fault> {
        Ok(take(&mut self.0)?)
    }
    pub fn slice(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        Ok(take_slice(&mut self.0, length)?)
    }
    pub fn blob(&mut self) -> Result<&'a [u8], Fault> {
        let length = take_u32(&mut self.0)?;
        self.slice(length)
    }
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
    /// Refuses bytes that are left over.
    pub fn end(self) -> Result<(), Fault> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(MALFORMED.into())
        }
    }

    /// Who takes part: a count and as many identifiers, each once, none zero, at most MEMBERS_MAX.
    pub fn members(&mut self) -> Result<BTreeSet<u16>, Fault> {
        let count = usize::from(self.u8()?);
        let mut members = BTreeSet::new();
        for _ in 0..count {
            members.insert(self.u16()?);
        }
        if count > MEMBERS_MAX || members.len() != count || members.contains(&0) {
            return Err(plain(Reason::BadNumbers));
        }
        Ok(members)
    }

    /// How many must sign, out of `members`.
    pub fn threshold(&mut self, members: usize) -> Result<u16, Fault> {
        let threshold = self.u16()?;
        if threshold < THRESHOLD_MIN || usize::from(threshold) > members {
            return Err(plain(Reason::BadNumbers));
        }
        Ok(threshold)
    }

    /// Messages by the sender that the caller's channel names: a count, then sender and blob for each. Exactly those
    /// of `senders`: whoever is missing is named, and whoever doesn't belong there.
    pub fn messages(&mut self, senders: &BTreeSet<u16>) -> Result<BTreeMap<u16, &'a [u8]>, Fault> {
        let mut messages = BTreeMap::new();
        for _ in 0..self.u8()? {
            let from = self.u16()?;
            if !senders.contains(&from) || messages.insert(from, self.blob()?).is_some() {
                return Err(by(Reason::NotMember, from));
            }
        }
        let missing: Vec<u16> = senders.iter().copied().filter(|id| !messages.contains_key(id)).collect();
        if missing.is_empty() {
            Ok(messages)
        } else {
            Err(Fault::Refused(Reason::Missing, missing))
        }
    }
}

/// The identifier of a number; zero has none.
pub fn identifier(number: u16) -> Result<Identifier, Fault> {
    Identifier::try_from(number).map_err(|_| plain(Reason::BadNumbers))
}

/// What someone sent: reads its body with `read`, which must use it up, and blames the sender for what fails.
pub fn open<T>(
    kind: u8,
    session: &Session,
    from: u16,
    message: &[u8],
    read: impl FnOnce(&mut Reader) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut reader = Reader(message);
    let body = |reader: &mut Reader| -> Result<T, Fault> {
        if reader.u8()? != VERSION || reader.u8()? != kind {
            return Err(plain(Reason::Malformed));
        }
        if reader.bytes::<32>()? != session {
            return Err(plain(Reason::Replayed));
        }
        if reader.u16()? != from {
            return Err(plain(Reason::Misdirected));
        }
        read(reader)
    };
    let value = body(&mut reader).map_err(|fault| blame(fault, from))?;
    reader.end().map_err(|fault| blame(fault, from))?;
    Ok(value)
}

/// Puts `culprit` to a fault in a message: what a message can't be read as is malformed.
fn blame(fault: Fault, culprit: u16) -> Fault {
    match fault {
        Fault::Status(MALFORMED) => by(Reason::Malformed, culprit),
        Fault::Refused(reason, _) => by(reason, culprit),
        other => other,
    }
}

/// Begins a message.
pub fn begin(kind: u8, session: &Session, from: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend([VERSION, kind]);
    out.extend(session);
    out.extend(from.to_le_bytes());
    out
}

/// Begins what a participant stores.
pub fn begin_stored(kind: u8) -> Vec<u8> {
    [STORED_VERSION, kind].to_vec()
}

/// Reads version and kind of what a participant stored.
pub fn open_stored(kind: u8, stored: &[u8]) -> Result<Reader<'_>, Fault> {
    let mut reader = Reader(stored);
    if reader.u8()? != STORED_VERSION || reader.u8()? != kind {
        return Err(plain(Reason::Malformed));
    }
    Ok(reader)
}

/// Adds a length and the bytes.
pub fn put_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}
