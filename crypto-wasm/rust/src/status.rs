//! What an operation answers below zero. The TypeScript side holds the same table (wasm/status.ts).

/// A request that is longer than the arena, or shorter than its own fields say.
pub const MALFORMED: i32 = -1;
/// A handle that names nothing, or something of another kind.
pub const NO_SUCH_HANDLE: i32 = -2;
/// A key, point or scalar that isn't one, or a result that must not be used (all zero).
pub const INVALID: i32 = -3;
/// The authentication tag doesn't hold.
pub const NOT_AUTHENTIC: i32 = -4;
/// As many handles as may be are open.
pub const TOO_MANY_HANDLES: i32 = -5;
/// A FROST message or step that the protocol refuses; the arena holds why and who (`frost::fault`).
pub const REFUSED: i32 = -6;

/// An operation's output length, or a status.
pub type Answer = Result<usize, i32>;

/// The answer as one number over the ABI.
pub fn code(answer: Answer) -> i32 {
    match answer {
        Ok(length) => length as i32,
        Err(status) => status,
    }
}
