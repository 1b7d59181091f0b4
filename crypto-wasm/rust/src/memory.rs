//! Linear memory: an allocator that wipes what is freed, and the arena where requests and answers lie.

use crate::status::MALFORMED;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// The arena's first size, enough for a stream frame and its tag.
const ARENA_BYTES: usize = 1 << 17;
/// What the arena may grow to; WebAssembly never gives memory back.
const ARENA_BYTES_MAX: usize = 1 << 26;

/// A cell that is shared because a module has one thread.
pub struct Single<T>(UnsafeCell<T>);
// SAFETY: the module is built without threads and no operation calls another one.
unsafe impl<T> Sync for Single<T> {}
impl<T> Single<T> {
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }
    /// The one reference; an operation takes it once.
    #[allow(clippy::mut_from_ref)]
    pub fn get(&self) -> &mut T {
        // SAFETY: one thread, and operations don't nest.
        unsafe { &mut *self.0.get() }
    }
}

/// Bytes that are allocated now.
static LIVE: Single<usize> = Single::new(0);
/// What may be allocated while something more is kept. The arena can grow to 64 MiB beside it and an operation copies
/// its request at most once, which the module's 256 MiB hold: it refuses, and doesn't trap.
const KEPT_BYTES_MAX: usize = 96 << 20;

/// Whether there is room to keep more, the arena apart.
pub fn has_room() -> bool {
    LIVE.get().saturating_sub(ARENA.get().bytes) <= KEPT_BYTES_MAX
}

/// dlmalloc, but nothing that was freed keeps its bytes: secrets in dropped maps and vectors go with them.
struct Wiping(Single<dlmalloc::Dlmalloc>);

// SAFETY: forwards to dlmalloc with the layouts that it is given; the block is still ours while it is wiped.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        *LIVE.get() += layout.size();
        unsafe { self.0.get().malloc(layout.size(), layout.align()) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        *LIVE.get() -= layout.size();
        unsafe {
            wipe(block, layout.size());
            self.0.get().free(block, layout.size(), layout.align());
        }
    }
    // `realloc` stays the default: a new block, a copy, and the old one wiped.
}

#[global_allocator]
static HEAP: Wiping = Wiping(Single::new(dlmalloc::Dlmalloc::new()));

/// Zeroes `length` bytes in a way that the compiler keeps.
unsafe fn wipe(at: *mut u8, length: usize) {
    unsafe { core::ptr::write_bytes(at, 0, length) };
    // The memory counts as read, so that the stores before it aren't dead.
    core::hint::black_box(at);
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
}

struct Arena {
    at: *mut u8,
    bytes: usize,
}

static ARENA: Single<Arena> = Single::new(Arena { at: core::ptr::null_mut(), bytes: 0 });

fn layout(bytes: usize) -> Layout {
    // SAFETY: the alignment is a power of two and `bytes` is at most ARENA_BYTES_MAX.
    unsafe { Layout::from_size_align_unchecked(bytes, 16) }
}

/// Makes the arena at least `bytes` long, wiping a smaller one. Returns its address, or 0 where that is too much.
#[no_mangle]
pub extern "C" fn arena_reserve(bytes: usize) -> *mut u8 {
    let arena = ARENA.get();
    if bytes <= arena.bytes {
        return arena.at;
    }
    if bytes > ARENA_BYTES_MAX {
        return core::ptr::null_mut();
    }
    let bytes = bytes.next_power_of_two().max(ARENA_BYTES);
    // SAFETY: the size isn't zero, and the old block came from this allocator with its own size.
    unsafe {
        if !arena.at.is_null() {
            HEAP.dealloc(arena.at, layout(arena.bytes));
            *arena = Arena { at: core::ptr::null_mut(), bytes: 0 };
        }
        let at = HEAP.alloc(layout(bytes));
        if !at.is_null() {
            wipe(at, bytes);
            *arena = Arena { at, bytes };
        }
        at
    }
}

/// How long the arena is.
#[no_mangle]
pub extern "C" fn arena_bytes() -> usize {
    ARENA.get().bytes
}

/// The first `length` bytes of the arena, or MALFORMED where it is shorter.
pub fn request(length: usize) -> Result<&'static mut [u8], i32> {
    let arena = ARENA.get();
    if length > arena.bytes || arena.at.is_null() {
        return Err(MALFORMED);
    }
    // SAFETY: the arena is `bytes` long and nothing else refers to it during an operation.
    Ok(unsafe { core::slice::from_raw_parts_mut(arena.at, length) })
}

/// Puts an answer at the front of the arena and returns its length.
pub fn answer(output: &[u8]) -> Result<usize, i32> {
    if arena_reserve(output.len()).is_null() && !output.is_empty() {
        return Err(MALFORMED);
    }
    request(output.len())?.copy_from_slice(output);
    Ok(output.len())
}

/// The next `N` bytes of `input`, which moves behind them.
pub fn take<'a, const N: usize>(input: &mut &'a [u8]) -> Result<&'a [u8; N], i32> {
    let (head, rest) = input.split_first_chunk::<N>().ok_or(MALFORMED)?;
    *input = rest;
    Ok(head)
}

/// The next `length` bytes of `input`, which moves behind them.
pub fn take_slice<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], i32> {
    if input.len() < length {
        return Err(MALFORMED);
    }
    let (head, rest) = input.split_at(length);
    *input = rest;
    Ok(head)
}

/// The next little-endian 32-bit number of `input`.
pub fn take_u32(input: &mut &[u8]) -> Result<usize, i32> {
    Ok(u32::from_le_bytes(*take(input)?) as usize)
}
