//! What dchat runs as WebAssembly: a plain C ABI over audited curve code, and ChaCha20-Poly1305 of our own.
//!
//! One call is one request: the caller copies its input to the front of the arena (`memory`), names its length,
//! and reads the output from the front of the arena. A result below zero is a `status`; what traps poisons the
//! instance, and the caller replaces it. Keys stay inside and are named by handles (`handle`).
//!
//! What this does not protect: an engine compiles WebAssembly as it likes and promises nothing about timing.
//! No branch and no index here depends on a secret, and the curve libraries say the same of themselves; that is
//! a property of the source alone. Memory of this module can be read by the JavaScript that holds it.
#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]

extern crate alloc;

mod aead;
mod aes;
mod chacha;
mod ed25519;
mod frost;
mod handle;
mod memory;
#[cfg_attr(feature = "wide", path = "poly_wide.rs")]
#[cfg_attr(not(feature = "wide"), path = "poly_narrow.rs")]
mod poly;
mod random;
mod status;
mod x25519;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
