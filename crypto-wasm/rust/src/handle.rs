//! Keys inside, named from outside by a number: the low 20 bits are a slot, the 11 above count that slot's lives,
//! so that a number kept too long names nothing rather than the key that came next.

use crate::memory::{has_room, Single};
use crate::status::{NO_SUCH_HANDLE, TOO_MANY_HANDLES};
use alloc::{boxed::Box, vec::Vec};

const SLOT_BITS: u32 = 20;
const LIVES: u32 = 1 << (31 - SLOT_BITS);

/// Everything that a handle can name. Boxed, so that dropping one wipes it by the allocator.
pub enum Held {
    Signing(Box<ed25519_zebra::SigningKey>),
    Agreement(Box<[u8; 32]>),
    Cipher(Box<[u8; 32]>),
    Frost(crate::frost::Held),
}

struct Slot {
    life: u32,
    held: Option<Held>,
}

struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

static TABLE: Single<Table> = Single::new(Table { slots: Vec::new(), free: Vec::new() });

/// Keeps `held` and returns its handle, zero or more. Refuses it where the table or the memory is full.
pub fn keep(held: Held) -> Result<u32, i32> {
    if !has_room() {
        return Err(TOO_MANY_HANDLES);
    }
    let table = TABLE.get();
    let at = match table.free.pop() {
        Some(at) => at,
        None if table.slots.len() >> SLOT_BITS != 0 => return Err(TOO_MANY_HANDLES),
        None => {
            table.slots.push(Slot { life: 0, held: None });
            table.slots.len() as u32 - 1
        }
    };
    let slot = &mut table.slots[at as usize];
    slot.held = Some(held);
    Ok(slot.life << SLOT_BITS | at)
}

fn slot(handle: u32) -> Result<&'static mut Slot, i32> {
    let at = (handle & ((1 << SLOT_BITS) - 1)) as usize;
    match TABLE.get().slots.get_mut(at) {
        Some(slot) if slot.life == handle >> SLOT_BITS && slot.held.is_some() => Ok(slot),
        _ => Err(NO_SUCH_HANDLE),
    }
}

/// What `handle` names.
pub fn held(handle: u32) -> Result<&'static Held, i32> {
    slot(handle)?.held.as_ref().ok_or(NO_SUCH_HANDLE)
}

/// Takes what `handle` names out; the handle names nothing from then on.
pub fn remove(handle: u32) -> Result<Held, i32> {
    let slot = slot(handle)?;
    let held = slot.held.take().ok_or(NO_SUCH_HANDLE)?;
    // After 2,048 lives the count begins again; the TypeScript side forgets its number at the first drop.
    slot.life = (slot.life + 1) % LIVES;
    TABLE.get().free.push(handle & ((1 << SLOT_BITS) - 1));
    Ok(held)
}

/// Wipes what `handle` names. Nothing happens where it names nothing.
#[no_mangle]
pub extern "C" fn handle_drop(handle: u32) {
    let _ = remove(handle);
}

/// How many handles are open, for tests and metrics.
#[no_mangle]
pub extern "C" fn handle_count() -> usize {
    let table = TABLE.get();
    table.slots.iter().filter(|slot| slot.held.is_some()).count()
}
