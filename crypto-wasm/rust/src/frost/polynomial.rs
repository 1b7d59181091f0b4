//! Shamir's polynomials and Feldman's commitments to them, for what frost-core doesn't have: resharing and repair.

use super::fault::{plain, Fault, Reason};
use super::wire::Reader;
use crate::random::Host;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, VartimeMultiscalarMul};
use zeroize::Zeroizing;

/// The scalar of 32 canonical bytes.
pub fn scalar(bytes: &[u8; 32]) -> Result<Scalar, Fault> {
    Option::from(Scalar::from_canonical_bytes(*bytes)).ok_or_else(|| plain(Reason::Malformed))
}

/// A point of the prime-order group.
pub fn point(bytes: &[u8; 32]) -> Result<EdwardsPoint, Fault> {
    match CompressedEdwardsY(*bytes).decompress() {
        Some(point) if point.is_torsion_free() => Ok(point),
        _ => Err(plain(Reason::Malformed)),
    }
}

/// `count` points.
pub fn points(reader: &mut Reader, count: usize) -> Result<Vec<EdwardsPoint>, Fault> {
    (0..count).map(|_| point(reader.bytes()?)).collect()
}

/// Adds points to a message.
pub fn put_points(out: &mut Vec<u8>, points: &[EdwardsPoint]) {
    out.extend(points.iter().flat_map(|point| point.compress().to_bytes()));
}

/// Lagrange's coefficient of `member` among `members`, for the value at `at`.
pub fn lagrange(members: &BTreeSet<u16>, member: u16, at: u16) -> Scalar {
    let (x, i) = (Scalar::from(at), Scalar::from(member));
    let (mut above, mut below) = (Scalar::ONE, Scalar::ONE);
    for j in members.iter().filter(|j| **j != member).map(|j| Scalar::from(*j)) {
        above *= x - j;
        below *= i - j;
    }
    // Members differ, so nothing below is zero.
    above * below.invert()
}

/// A polynomial with a secret at zero and random coefficients above. Wiped when dropped.
pub struct Polynomial(Zeroizing<Vec<Scalar>>);

impl Polynomial {
    pub fn new(secret: Scalar, threshold: u16) -> Self {
        let mut coefficients = Vec::with_capacity(usize::from(threshold));
        coefficients.push(secret);
        coefficients.extend((1..threshold).map(|_| Scalar::random(&mut Host)));
        Self(Zeroizing::new(coefficients))
    }
    pub fn commitment(&self) -> Vec<EdwardsPoint> {
        self.0.iter().map(EdwardsPoint::mul_base).collect()
    }
    pub fn at(&self, member: u16) -> Scalar {
        let x = Scalar::from(member);
        self.0.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient)
    }
}

/// What the polynomial behind `commitment` has at `member`, times the base point. All of it is public.
pub fn committed(commitment: &[EdwardsPoint], member: u16) -> EdwardsPoint {
    let x = Scalar::from(member);
    let powers = core::iter::successors(Some(Scalar::ONE), |power| Some(power * x));
    // Collected, since the multiplication takes only what says how long it is.
    let powers: Vec<Scalar> = powers.take(commitment.len()).collect();
    EdwardsPoint::vartime_multiscalar_mul(&powers, commitment)
}

/// The sum of commitments, coefficient by coefficient.
pub fn sum<'a>(commitments: impl Iterator<Item = &'a Vec<EdwardsPoint>>, length: usize) -> Vec<EdwardsPoint> {
    let mut sum = alloc::vec![EdwardsPoint::identity(); length];
    for commitment in commitments {
        sum.iter_mut().zip(commitment).for_each(|(sum, point)| *sum += point);
    }
    sum
}
