//! Why the protocol refused something, and whose message it was.

use crate::memory::answer;
use crate::status::{code, MALFORMED, REFUSED};
use alloc::{vec, vec::Vec};
use frost_ed25519::{Error, Identifier};

/// Why. The TypeScript side holds the same table (frost/refusal.ts).
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Reason {
    /// Bytes that are no message of the kind that is due, or hold no valid point or scalar.
    Malformed = 1,
    /// A message of another ceremony or another signing: a replay.
    Replayed = 2,
    /// A message that names another sender, or another recipient, than it has.
    Misdirected = 3,
    /// Someone's message is missing.
    Missing = 4,
    /// Someone who is no member of the group, or twice there.
    NotMember = 5,
    /// A proof of possession that doesn't hold.
    BadProof = 6,
    /// A share that its sender's own commitment contradicts.
    BadShare = 7,
    /// A signature share that isn't its signer's for this package.
    BadSignature = 8,
    /// Numbers that no group can have, or that differ from what was agreed.
    BadNumbers = 9,
    /// A share or a commitment of another group, or from before its shares were refreshed.
    OtherGroup = 10,
    /// The package holds another commitment than the nonces that are to be used.
    OtherNonces = 11,
}

pub enum Fault {
    Status(i32),
    Refused(Reason, Vec<u16>),
}

impl From<i32> for Fault {
    fn from(status: i32) -> Self {
        Self::Status(status)
    }
}

/// A refusal that names one sender.
pub fn by(reason: Reason, culprit: u16) -> Fault {
    Fault::Refused(reason, vec![culprit])
}

/// A refusal that nobody's message is to blame for.
pub fn plain(reason: Reason) -> Fault {
    Fault::Refused(reason, Vec::new())
}

/// The number of an identifier; ours are all below 2^16.
pub fn number(identifier: &Identifier) -> u16 {
    let bytes = identifier.serialize();
    u16::from_le_bytes([bytes[0], bytes[1]])
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let reason = match error {
            Error::InvalidSignatureShare { .. } | Error::InvalidSignature => Reason::BadSignature,
            Error::InvalidSecretShare { .. } => Reason::BadShare,
            Error::InvalidProofOfKnowledge { .. } => Reason::BadProof,
            Error::UnknownIdentifier | Error::DuplicatedIdentifier => Reason::NotMember,
            Error::MissingCommitment | Error::IncorrectCommitment => Reason::OtherNonces,
            Error::InvalidMinSigners
            | Error::InvalidMaxSigners
            | Error::InvalidCoefficients
            | Error::IncorrectNumberOfCommitments
            | Error::IncorrectNumberOfIdentifiers
            | Error::IncorrectNumberOfPackages
            | Error::IncorrectNumberOfShares => Reason::BadNumbers,
            _ => Reason::Malformed,
        };
        Self::Refused(reason, error.culprits().iter().map(number).collect())
    }
}

/// The answer's length; or REFUSED, with reason, a count and the culprits (16 bits each) in the arena; or a status.
pub fn finish(result: Result<Vec<u8>, Fault>) -> i32 {
    match result {
        Ok(output) => code(answer(&output)),
        Err(Fault::Status(status)) => status,
        Err(Fault::Refused(reason, culprits)) => {
            let mut out = vec![reason as u8, culprits.len() as u8];
            out.extend(culprits.iter().flat_map(|culprit| culprit.to_le_bytes()));
            answer(&out).map_or(MALFORMED, |_| REFUSED)
        }
    }
}
